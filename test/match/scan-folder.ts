import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as z from "zod";
import { parserFields } from "../../lib/defectdojo/finding-page.ts";
import { parserColumns } from "../../lib/defectdojo/schemas.ts";
import { DOJO_SEVERITIES } from "../../lib/model/annotations.ts";
import { readFindings } from "../../lib/report/findings-file.ts";
import { type DojoFacts, matchRow, relate } from "../../lib/sync/match/match.ts";
import { describeIssues } from "../../lib/util/issues.ts";

/** The result of a real server for a scan, next to its findings. */
const DOJO_FINDINGS = "dojo-findings.json";
const FINDINGS = "findings.json";

const dojoFile = z.object({
  importedAs: z.string(),
  findings: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      severity: z.enum(DOJO_SEVERITIES),
      description: z.string().nullish(),
      ...parserColumns.shape,
      locations: z.array(z.string()).nullish(),
    }),
  ),
});

/** How a scan's findings correspond to those in DefectDojo. */
export interface MatchedScan {
  readonly scan: string;
  readonly importedAs: string;
  /** The scanner's findings and DefectDojo's. */
  readonly uploaded: number;
  readonly kept: number;
  /** Findings of the scanner that correspond to one or more of DefectDojo's. */
  readonly matched: number;
  readonly onlyInScan: number;
  /** Findings of DefectDojo that correspond to none of the scanner's. */
  readonly onlyInDojo: number;
  readonly unmatched: readonly { readonly name: string; readonly category: string; readonly reason: string }[];
  readonly unclaimed: readonly string[];
}

/**
 * Matches the findings of a folder with DefectDojo's in it.
 * @throws Error that names the missing or unreadable file
 */
export async function matchScan(folder: string): Promise<MatchedScan> {
  const { importedAs, findings: dojo } = await readDojo(join(folder, DOJO_FINDINGS));
  const relation = relate(matchRow(importedAs), "Info");
  const scanner: { name: string; category: string }[] = [];
  const path = join(folder, FINDINGS);
  for await (const finding of readFindings(createReadStream(path), path)) {
    relation.addScanner(finding);
    scanner.push({ name: finding.name, category: finding.category ?? "" });
  }
  for (const finding of dojo) relation.addDojo(factsOf(finding));
  const matches = relation.resolve();
  const claimed = new Set(matches.flatMap((match) => (typeof match === "string" ? [] : match)));
  const unmatched = scanner.flatMap((finding, index) => {
    const match = matches[index];
    return typeof match === "string" ? { ...finding, reason: match } : [];
  });
  return {
    scan: basename(folder),
    importedAs,
    uploaded: scanner.length,
    kept: dojo.length,
    matched: scanner.length - unmatched.length,
    onlyInScan: unmatched.length,
    onlyInDojo: dojo.length - claimed.size,
    unmatched,
    unclaimed: dojo.flatMap(({ title }, place) => (claimed.has(place) ? [] : title)),
  };
}

/** The given folders, or those below them, with DefectDojo's findings. @throws Error if there is none */
export async function foldersToMatch(directories: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const directory of directories) {
    const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
      throw new Error(`${directory} cannot be read as a folder`, { cause });
    });
    const candidates = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
    for (const folder of [directory, ...candidates.sort()]) {
      const names = await readdir(folder);
      if (!names.includes(DOJO_FINDINGS)) continue;
      if (!names.includes(FINDINGS)) throw new Error(`${folder} holds ${DOJO_FINDINGS}, but no ${FINDINGS}`);
      found.push(folder);
    }
  }
  if (found.length > 0) return found;
  throw new Error(`no ${DOJO_FINDINGS} in ${directories.join(", ")} or its subfolders`);
}

async function readDojo(path: string): Promise<z.output<typeof dojoFile>> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new Error(`${path} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const parsed = dojoFile.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new Error(`${path}: ${describeIssues(parsed.error)}`);
}

function factsOf(raw: z.output<typeof dojoFile>["findings"][number]): DojoFacts {
  return {
    title: raw.title,
    description: raw.description ?? "",
    ...parserFields(raw),
    locations: raw.locations ?? [],
  };
}
