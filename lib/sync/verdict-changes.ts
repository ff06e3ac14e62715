import { MOST_CHANGES, type Receipt } from "../model/receipt.ts";
import type { Judged, Written } from "./merged-finding.ts";
import { verdictOf, wordsOf } from "./verdicts.ts";

/** In the shape of the receipt. */
export interface Changes {
  readonly changed: NonNullable<Receipt["changed"]>;
  readonly changedCount: number;
}

/** Compares findings as they pass with those of the last write-back. */
export interface VerdictChanges {
  add(written: Written): void;
  /** What changed; a missing finding changed to nothing. */
  end(): Changes;
}

/** Already compared: one finding of DefectDojo may stand for several of the scanner. */
const SEEN = "";

/**
 * @param before words of the last write-back by finding id; used up
 * @param since ISO 8601: when the last write-back was begun. Who reviewed a finding before that did not make this change
 */
export function verdictChanges(before: Map<number, string>, since: string): VerdictChanges {
  const changed: Changes["changed"] = [];
  let changedCount = 0;
  const note = (change: Changes["changed"][number]) => {
    changedCount++;
    if (changed.length < MOST_CHANGES) changed.push(change);
  };
  return {
    add: ({ written, judged }) => {
      const verdict = verdictOf(written);
      if (verdict === undefined) return;
      const { findingId, words } = verdict;
      const known = before.get(findingId);
      before.set(findingId, SEEN);
      if (known === SEEN || known === words) return;
      const { from, to } = wordsOf(known ?? "", words);
      const by = judged.map((each) => judgeOf(each, from, to, since)).find((judge) => judge !== undefined);
      note({ findingId, from, to, ...(by === undefined ? {} : { by }) });
    },
    end: () => {
      for (const [findingId, words] of before) {
        if (words !== SEEN) note({ findingId, ...wordsOf(words, "") });
      }
      return { changed, changedCount };
    },
  };
}

/**
 * Who made a change, as far as DefectDojo tells: who closed the finding (false positive and out of scope close it too), else who reviewed it since. An
 * import is a review, and a verdict over the API is none (recorded on 2.34, 2.58 and 3.2), so that for many changes there is nobody to name.
 */
function judgeOf(finding: Judged, from: readonly string[], to: readonly string[], since: string) {
  const closed = to.includes("mitigated") && !from.includes("mitigated");
  if (closed && finding.mitigatedBy !== undefined) return finding.mitigatedBy;
  const { lastReviewedAt, lastReviewedBy } = finding;
  return lastReviewedAt !== undefined && Date.parse(lastReviewedAt) > Date.parse(since) ? lastReviewedBy : undefined;
}
