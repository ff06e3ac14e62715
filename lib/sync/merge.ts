import { join } from "node:path";
import type { SyncMode } from "../model/receipt.ts";
import type { ScanFinding } from "../report/findings-file.ts";
import type { LastKnown } from "./last-known.ts";
import type { Match, UnmatchedReason } from "./match/match.ts";
import {
  type DojoWritten,
  idOf,
  type MergeContext,
  mergedFinding,
  missingFinding,
  unmatchedFinding,
  type Written,
} from "./merged-finding.ts";
import { spool } from "./spool.ts";
import { isMissing } from "./verdicts.ts";

/** The inputs of a findings.json. */
interface MergeSources {
  /** DefectDojo's findings, in its order; once. */
  readonly inDojo: AsyncIterable<DojoWritten>;
  /** The scanner's uploaded findings in order; may be read repeatedly. */
  readonly uploaded: () => Promise<AsyncIterable<ScanFinding>>;
  /** Matches the scanner's findings to DefectDojo's, once all of DefectDojo's were seen. */
  readonly matches: () => readonly Match[];
  readonly last: LastKnown;
  /** For temporary files. */
  readonly folder: string;
  readonly context: MergeContext;
}

/** What each mode writes, in this order. Each keeps, marked, what DefectDojo no longer has. */
export const MODES: Readonly<Record<SyncMode, (sources: MergeSources) => AsyncIterable<Written>>> = {
  replace: (sources) => completed(sources, false),
  complete: (sources) => completed(sources, true),
  merge: merged,
};

/**
 * DefectDojo's findings, those that it no longer has, then the scanner's without a counterpart.
 * @param all whether to write all of the latter; else only those that DefectDojo had and that no write-back contains
 */
async function* completed({ inDojo, last, ...sources }: MergeSources, all: boolean): AsyncGenerator<Written> {
  yield* inDojo;
  const { uploaded, matches, context } = sources;
  // Somebody may have removed the kept upload: what was missing already is in the last findings.json.
  const alone = matches().length === 0 && last.hasUnmatched;
  if (last.gone() > 0 || alone) {
    for await (const finding of last.findings())
      if (last.isGone(finding) || (alone && !all && isMissing(finding))) yield missingFinding(finding);
  }
  if (!all && (matches().length === 0 || !(last.lost() > 0 || last.hasUnmatched))) return;
  const had = hadCounterpart(matches(), last);
  let index = 0;
  for await (const finding of await uploaded()) {
    const reason = matches()[index];
    if (typeof reason === "string") {
      const id = idOf(finding, index, context);
      const missing = had(id, reason);
      // One with a counterpart at the last sync is written as that counterpart.
      const wasThere = last.isFirst || last.unmatched(id) !== undefined;
      if (missing || (all && wasThere)) yield unmatchedFinding(finding, index, { reason, missing }, context);
    }
    index++;
  }
}

/**
 * The scanner's findings with DefectDojo's state, then DefectDojo's without a counterpart. DefectDojo's findings wait on disk, so
 * memory stays flat whatever their order.
 */
async function* merged({ inDojo, last, folder, ...sources }: MergeSources): AsyncGenerator<Written> {
  const kept = await spool(join(folder, "dojo-findings.jsonl"));
  try {
    let dojoFindings = 0;
    for await (const each of inDojo) {
      await kept.add(JSON.stringify(each));
      dojoFindings++;
    }
    await kept.end();
    const claims = countClaims(sources.matches(), dojoFindings);
    const read = lastRead(async (place) => JSON.parse(await kept.read(place)) as DojoWritten);
    // The scanner's findings have the same positions there.
    const before = last.gone() > 0 ? last.findings()[Symbol.asyncIterator]() : undefined;
    yield* mergedUploads(sources, last, { claims, read, before });
    for (let place = 0; place < dojoFindings; place++) if (claims[place] === 0) yield await read(place);
    for (let next = await before?.next(); next?.done === false; next = await before?.next())
      if (last.isGone(next.value)) yield missingFinding(next.value);
  } finally {
    await kept.close();
  }
}

/** The scanner's findings, in order. */
async function* mergedUploads(
  { uploaded, matches, context }: Pick<MergeSources, "uploaded" | "matches" | "context">,
  last: LastKnown,
  { claims, read, before }: Spooled,
): AsyncGenerator<Written> {
  const had = hadCounterpart(matches(), last);
  let index = 0;
  for await (const finding of await uploaded()) {
    const match = matches()[index] ?? "missing";
    const known = await before?.next();
    if (typeof match !== "string") {
      const found: DojoWritten[] = [];
      for (const place of match) found.push(await read(place));
      const shared = match.some((place) => (claims[place] ?? 0) > 1);
      yield mergedFinding(finding, index, { matches: found as [DojoWritten, ...DojoWritten[]], shared }, context);
    } else if (known?.done === false && last.isGone(known.value)) yield missingFinding(known.value);
    else {
      const missing = had(idOf(finding, index, context), match);
      yield unmatchedFinding(finding, index, { reason: match, missing }, context);
    }
    index++;
  }
}

/** DefectDojo's findings on disk, and the last findings.json if some of it is gone. */
interface Spooled {
  readonly claims: Uint32Array;
  readonly read: (place: number) => Promise<DojoWritten>;
  readonly before: AsyncIterator<ScanFinding> | undefined;
}

/**
 * Whether a finding of the scanner without a counterpart had one: it was marked so before, or the import kept more findings than there are, and this
 * is one that its parser keeps. Of identical ones, as many are marked as are lost.
 */
function hadCounterpart(matches: readonly Match[], last: LastKnown): (id: string, reason: UnmatchedReason) => boolean {
  let alike = last.lost() - (last.lost() > 0 ? matches.filter((match) => match === "missing").length : 0);
  return (id, reason) => {
    if (last.unmatched(id) === "missing") return true;
    if (last.lost() === 0) return false;
    return reason === "missing" || (reason === "ambiguous" && alike-- > 0);
  };
}

/** How many of the scanner's findings each of DefectDojo's matches. */
function countClaims(matches: readonly Match[], dojoFindings: number): Uint32Array {
  const claims = new Uint32Array(dojoFindings);
  for (const match of matches) {
    if (typeof match !== "string") for (const place of match) claims[place] = (claims[place] ?? 0) + 1;
  }
  return claims;
}

/** Consecutive findings that share one of DefectDojo's read it only once. */
function lastRead<T>(read: (place: number) => Promise<T>): (place: number) => Promise<T> {
  let last: { readonly place: number; readonly value: T } | undefined;
  return async (place) => {
    if (last?.place !== place) last = { place, value: await read(place) };
    return last.value;
  };
}
