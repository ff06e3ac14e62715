import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { DojoSeverity } from "../../lib/model/annotations.ts";
import type { SyncMode } from "../../lib/model/receipt.ts";
import { GENERIC } from "../../lib/model/scan-types.ts";
import type { DojoFinding } from "../../lib/ports/dojo-finding.ts";
import type { ScanFinding } from "../../lib/report/findings-file.ts";
import { storedFindings } from "../../lib/report/report.ts";
import { type LastKnown, lastKnown } from "../../lib/sync/last-known.ts";
import { readLastWriteBack } from "../../lib/sync/last-write-back.ts";
import { type Match, matchRow, relate } from "../../lib/sync/match/match.ts";
import { MODES } from "../../lib/sync/merge.ts";
import type { MergeContext, Written } from "../../lib/sync/merged-finding.ts";
import { dojoWritten } from "../../lib/sync/write-back.ts";
import { aScan, FINDINGS } from "./factories.ts";
import { memoryStorage } from "./memory-storage.ts";
import { recorder } from "./recorder.ts";

export interface Answer {
  readonly finding: DojoFinding;
  readonly original?: DojoFinding | undefined;
}

export interface Merging {
  readonly mode: SyncMode;
  readonly importedAs?: string;
  readonly uploaded: readonly ScanFinding[];
  readonly dojo: readonly Answer[];
  readonly minimum?: DojoSeverity;
  /** The findings.json of the last sync. */
  readonly last?: readonly unknown[];
  /** How many findings the import kept. */
  readonly kept?: number;
}

export const mergeContext = (importedAs = GENERIC): MergeContext => ({
  scan: aScan(),
  now: "2026-11-24T12:00:00.000Z",
  url: (kind, id) => `https://dojo.example.com/${kind}/${id}`,
  testId: 7,
  generic: importedAs === GENERIC,
});

/** The result of a sync mode for an upload and DefectDojo's findings, with the relay's own matching. */
export async function merging({ mode, importedAs = GENERIC, uploaded, dojo, minimum = "Info", ...before }: Merging) {
  const known = await knownOf(before);
  const context = mergeContext(importedAs);
  const relation = relate(matchRow(importedAs), minimum);
  for (const finding of uploaded) relation.addScanner(finding);
  let matches: readonly Match[] | undefined;
  const inDojo = async function* () {
    for (const { finding, original } of dojo) {
      relation.addDojo(finding);
      known.seen(finding.id);
      yield dojoWritten(finding, original, context);
    }
  };
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-merging-"));
  try {
    const sources = {
      inDojo: inDojo(),
      uploaded: async () => Readable.from(uploaded) as AsyncIterable<ScanFinding>,
      matches: () => {
        matches ??= relation.resolve();
        return matches;
      },
      last: known,
      folder,
      context,
    };
    const all: Written[] = [];
    for await (const one of MODES[mode](sources)) all.push(one);
    return {
      written: JSON.parse(JSON.stringify(all.map(({ written }) => written))) as WrittenJson[],
      all,
      matches: matches ?? [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function knownOf({ last, kept }: Pick<Merging, "last" | "kept">): Promise<LastKnown> {
  const storage = memoryStorage();
  const etag = storage.put(FINDINGS, JSON.stringify(last ?? []));
  const read = last === undefined ? undefined : await readLastWriteBack(storage, FINDINGS, etag, recorder().log);
  return lastKnown(read, kept, () => storedFindings(storage, FINDINGS, etag));
}

/** A finding as written to the file. */
export interface WrittenJson {
  readonly [field: string]: unknown;
  readonly id: string;
  readonly name: string;
  readonly category: string;
  readonly severity: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}
