import type { Readable } from "node:stream";
import chain from "stream-chain";
import { parser } from "stream-json";
import { streamArray } from "stream-json/streamers/stream-array.js";
import * as z from "zod";
import { RelayError, toRelayError } from "./errors.ts";
import { describeIssues } from "./issues.ts";

const text = z.string().nullish();

/**
 * A finding of secureCodeBox as far as it is read; everything else of it is kept. Lenient where the mapping can repair
 * (severity, dates, missing texts), strict where a wrong type would lose something.
 * https://www.securecodebox.io/docs/api/finding
 */
export const findingSchema = z.looseObject({
  id: text,
  name: z.string({ error: "is missing or no text" }).refine((name) => name.trim() !== "", "is empty"),
  description: text,
  category: text,
  severity: text,
  location: text,
  mitigation: text,
  identified_at: text,
  parsed_at: text,
  attributes: z.record(z.string(), z.unknown()).nullish(),
  references: z.array(z.looseObject({ type: z.string(), value: z.string() })).nullish(),
});

export type ScanFinding = z.infer<typeof findingSchema>;

/** Deeper than any scanner's output, and less than DefectDojo's own JSON parser takes. */
const DEEPEST = 100;
/** Characters of one finding; a whole report in one finding would have to be held in memory. */
const LARGEST_FINDING = 16 * 1024 * 1024;

/**
 * The findings of a findings.json, one after another, each checked; the file is never held whole.
 * @param object where it lies, for the errors
 * @throws RelayError `findings-invalid`, naming the finding and each bad field
 */
export async function* readFindings(body: Readable, object: string): AsyncGenerator<ScanFinding> {
  const invalid = (what: string, cause?: unknown) =>
    new RelayError("findings-invalid", `${object}: ${what}`, { object, cause });
  const guard = guardTokens(invalid);
  const items: AsyncIterable<{ key: number; value: unknown }> = chain([
    body,
    parser({ streamValues: false }),
    guard,
    streamArray(),
  ] as never);
  let read = 0;
  try {
    for await (const { key, value } of items) {
      read = key + 1;
      const parsed = findingSchema.safeParse(value);
      if (!parsed.success) throw invalid(`finding ${describeIssues(parsed.error, `[${key}]`)}`);
      yield parsed.data;
    }
    if (!guard.sawArray()) throw invalid("not an array of findings: it is empty");
  } catch (error) {
    if (error instanceof RelayError) throw error;
    if (body.errored != null && body.errored === error) throw toRelayError(error, object);
    throw invalid(`not an array of findings in JSON (after ${read} findings): ${messageOf(error)}`, error);
  }
}

interface Token {
  readonly name: string;
  readonly value?: unknown;
}

/** Passes tokens on, and refuses what is no array, too deep or too large to be held. */
function guardTokens(invalid: (what: string) => RelayError) {
  let depth = 0;
  let size = 0;
  let index = -1;
  let started = false;
  const guard = (token: Token): Token => {
    if (!started) {
      if (token.name !== "startArray") throw invalid("not an array of findings");
      started = true;
    }
    if (token.name.startsWith("start")) {
      depth++;
      if (depth === 2) {
        index++;
        size = 0;
      }
      if (depth > DEEPEST) throw invalid(`finding [${index}] is nested deeper than ${DEEPEST} levels`);
    } else if (token.name.startsWith("end")) depth--;
    else if (typeof token.value === "string") {
      size += token.value.length;
      if (size > LARGEST_FINDING) throw invalid(`finding [${index}] has more than ${LARGEST_FINDING} characters`);
    }
    return token;
  };
  return Object.assign(guard, { sawArray: () => started });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
