import type { Readable } from "node:stream";
import chain from "stream-chain";
import { parser } from "stream-json";
import { streamArray } from "stream-json/streamers/stream-array.js";
import * as z from "zod";
import { RelayError, toRelayError } from "../errors.ts";
import { exactNumber } from "../util/exact-number.ts";
import { arrayOf } from "../util/first-bad.ts";
import { describeIssues } from "../util/issues.ts";
import { hidden, shown } from "./proto-field.ts";

const text = z.string().nullish();

/**
 * A finding of secureCodeBox as far as it is read; everything else of it is kept. Lenient where the mapping can repair
 * (severity, dates, missing texts), strict where a wrong type would lose something.
 * https://www.securecodebox.io/docs/api/finding
 */
export const findingSchema = z.looseObject({
  id: text,
  name: z.string({ error: "is missing or not a text" }),
  description: text,
  category: text,
  severity: text,
  location: text,
  mitigation: text,
  identified_at: text,
  parsed_at: text,
  attributes: z.record(z.string(), z.unknown()).nullish(),
  references: arrayOf(z.looseObject({ type: z.string(), value: z.string() })).nullish(),
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
    guard.chunk,
    parser({ streamValues: false }),
    guard.token,
    streamArray(),
  ] as never);
  try {
    for await (const { key, value } of items) {
      const parsed = findingSchema.safeParse(value);
      if (!parsed.success) throw invalid(`finding ${describeIssues(parsed.error, `[${key}]`)}`);
      yield guard.hides() ? (shown(parsed.data) as ScanFinding) : parsed.data;
    }
  } catch (error) {
    if (error instanceof RelayError) throw error;
    if (body.errored != null && body.errored === error) throw toRelayError(error, object);
    throw invalid(
      `not an array of findings in JSON (after ${guard.findings()} findings or more): ${messageOf(error)}`,
      error,
    );
  }
}

interface Token {
  readonly name: string;
  readonly value?: unknown;
}

/** The memory of an empty token, in characters. */
const TOKEN_SIZE = 8;

/** Passes chunks and their tokens on, and refuses what is not an array, nested too deep or too large for memory. */
function guardTokens(invalid: (what: string) => RelayError) {
  let depth = 0;
  let size = 0;
  let index = -1;
  let started = false;
  /** Bytes that have not become tokens yet: the parser holds them. */
  let pending = 0;
  /** Whether a field was renamed, in this finding or an earlier one. */
  let hides = false;
  const tooLarge = () => invalid(`finding [${Math.max(0, index)}] has more than ${LARGEST_FINDING} characters`);
  const chunk = (bytes: Buffer | string): Buffer | string => {
    pending += bytes.length;
    if (pending > LARGEST_FINDING) throw tooLarge();
    return bytes;
  };
  const token = (next: Token): Token => {
    pending = 0;
    if (!started) {
      if (next.name !== "startArray") throw invalid("not an array of findings");
      started = true;
    }
    size += TOKEN_SIZE + (typeof next.value === "string" ? next.value.length : 0);
    if (next.name.startsWith("start")) {
      depth++;
      if (depth === 2) {
        index++;
        size = 0;
      }
      if (depth > DEEPEST) throw invalid(`finding [${index}] is nested deeper than ${DEEPEST} levels`);
    } else if (next.name.startsWith("end")) depth--;
    if (size > LARGEST_FINDING) throw tooLarge();
    if (next.name === "keyValue") {
      const name = String(next.value);
      if (hidden(name) === name) return next;
      hides = true;
      return { name: "keyValue", value: hidden(name) };
    }
    // As a string token, the assembler keeps the value unchanged; a number token would become a double.
    return next.name === "numberValue" ? { name: "stringValue", value: exactNumber(String(next.value)) } : next;
  };
  return { chunk, token, findings: () => index + 1, hides: () => hides };
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
