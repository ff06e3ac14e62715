import type { ScanFinding } from "../report/findings-file.ts";
import type { LastWriteBack } from "./last-write-back.ts";
import { idsOf } from "./verdicts.ts";

/**
 * Findings that DefectDojo no longer has: known from the findings.json about to be overwritten, else from the upload, if the import kept
 * more than there is now. Ids are held, never findings.
 */
export interface LastKnown {
  /** Called with each of DefectDojo's findings; everything below is known only after the last one. */
  seen(findingId: number): void;
  /** How many findings of the last findings.json are gone. */
  gone(): number;
  isGone(finding: ScanFinding): boolean;
  /** How many findings that the import kept are neither in DefectDojo nor in the last findings.json. */
  lost(): number;
  /** How the last findings.json had the scanner's finding of this id, if it had no counterpart. */
  unmatched(id: string): "missing" | "unmatched" | undefined;
  /** Whether there is any such finding. */
  readonly hasUnmatched: boolean;
  /** Whether there was no write-back to compare with. */
  readonly isFirst: boolean;
  /** The last findings.json again, finding by finding. */
  findings(): AsyncIterable<ScanFinding>;
}

/**
 * @param last of a resync
 * @param kept how many findings the import kept, if known
 * @param again reads the last findings.json
 */
export function lastKnown(
  last: LastWriteBack | undefined,
  kept: number | undefined,
  again: () => AsyncIterable<ScanFinding>,
): LastKnown {
  const present = new Set<number>();
  let goneIds: number | undefined;
  const gone = () => {
    goneIds ??= last === undefined ? 0 : [...last.ids].filter((id) => !present.has(id)).length;
    return goneIds;
  };
  return {
    seen: (findingId) => present.add(findingId),
    gone,
    isGone: (finding) => {
      const [id] = idsOf(finding);
      return id !== undefined && !present.has(id);
    },
    lost: () => Math.max(0, (kept ?? 0) - present.size - gone()),
    unmatched: (id) => last?.unmatched.get(id),
    hasUnmatched: (last?.unmatched.size ?? 0) > 0,
    isFirst: last === undefined,
    findings: again,
  };
}
