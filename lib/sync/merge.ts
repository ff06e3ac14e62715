import { join } from "node:path";
import type { SyncMode } from "../model/receipt.ts";
import type { ScanFinding } from "../report/findings-file.ts";
import type { Match } from "./match/match.ts";
import {
  type DojoWritten,
  type MergeContext,
  mergedFinding,
  unmatchedFinding,
  type Written,
} from "./merged-finding.ts";
import { spool } from "./spool.ts";

/** What a findings.json is made of. */
interface MergeSources {
  /** DefectDojo's findings, in its order; once. */
  readonly inDojo: AsyncIterable<DojoWritten>;
  /** The scanner's findings as they were uploaded, in their order; as often as asked for. */
  readonly uploaded: () => Promise<AsyncIterable<ScanFinding>>;
  /** Which of the scanner's are which of DefectDojo's, once all of DefectDojo's were seen. */
  readonly matches: () => readonly Match[];
  /** For what has to be found again. */
  readonly folder: string;
  readonly context: MergeContext;
}

/** What each mode writes, in this order. */
export const MODES: Readonly<Record<SyncMode, (sources: MergeSources) => AsyncIterable<Written>>> = {
  replace: ({ inDojo }) => inDojo,
  complete: completed,
  merge: merged,
};

/** DefectDojo's findings, then those of the scanner that none of them stands for. */
async function* completed({ inDojo, uploaded, matches, context }: MergeSources): AsyncGenerator<Written> {
  yield* inDojo;
  const all = matches();
  let index = 0;
  for await (const finding of await uploaded()) {
    const match = all[index];
    if (typeof match === "string") yield unmatchedFinding(finding, index, match, context);
    index++;
  }
}

/**
 * The scanner's findings with DefectDojo's state, then DefectDojo's own that stand for none of them. DefectDojo's findings wait on disk, so that
 * memory stays flat whatever their order.
 */
async function* merged({ inDojo, uploaded, matches, folder, context }: MergeSources): AsyncGenerator<Written> {
  const kept = await spool(join(folder, "dojo-findings.jsonl"));
  try {
    let dojoFindings = 0;
    for await (const each of inDojo) {
      await kept.add(JSON.stringify(each));
      dojoFindings++;
    }
    await kept.end();
    const all = matches();
    const claims = countClaims(all, dojoFindings);
    const read = lastRead(async (place) => JSON.parse(await kept.read(place)) as DojoWritten);
    let index = 0;
    for await (const finding of await uploaded()) {
      const match = all[index] ?? "missing";
      if (typeof match === "string") yield unmatchedFinding(finding, index, match, context);
      else {
        const found: DojoWritten[] = [];
        for (const place of match) found.push(await read(place));
        const shared = match.some((place) => (claims[place] ?? 0) > 1);
        const matches = found as [DojoWritten, ...DojoWritten[]];
        yield mergedFinding(finding, index, { matches, shared }, context);
      }
      index++;
    }
    for (let place = 0; place < dojoFindings; place++) if (claims[place] === 0) yield await read(place);
  } finally {
    await kept.close();
  }
}

/** How many of the scanner's findings each of DefectDojo's stands for. */
function countClaims(matches: readonly Match[], dojoFindings: number): Uint32Array {
  const claims = new Uint32Array(dojoFindings);
  for (const match of matches) {
    if (typeof match !== "string") for (const place of match) claims[place] = (claims[place] ?? 0) + 1;
  }
  return claims;
}

/** Of findings that share one of DefectDojo's, it is read once where they follow each other. */
function lastRead<T>(read: (place: number) => Promise<T>): (place: number) => Promise<T> {
  let last: { readonly place: number; readonly value: T } | undefined;
  return async (place) => {
    if (last?.place !== place) last = { place, value: await read(place) };
    return last.value;
  };
}
