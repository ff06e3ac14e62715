import { NOW_EMPTY, NOW_FEWER, type Receipt } from "../model/receipt.ts";
import { MISSING } from "../model/verdicts.ts";
import { countOf } from "../util/text.ts";

/** The results of a sync that reveal a loss. */
interface Found extends Pick<Receipt, "missing" | "findings"> {
  readonly uploaded?: { readonly count: number } | undefined;
  readonly inDojo: { readonly count: number };
}

/**
 * The warnings of a receipt, plus one if DefectDojo has fewer findings of the test than before, and one if findings.json is empty:
 * people deleted them, or DefectDojo did (its setting "delete duplicates"), or nothing was imported in the first place. Replaces those of an earlier sync.
 * @param kept how many the import kept, if known
 * @param syncBack false if findings.json stays as uploaded
 */
export function withFewerFindings(
  warnings: readonly string[],
  { missing = 0, findings, uploaded, inDojo }: Found,
  kept: number | undefined,
  syncBack: boolean,
): string[] {
  const told = warnings.filter((warning) => !warning.startsWith(NOW_FEWER) && !warning.startsWith(NOW_EMPTY));
  if (missing > 0) {
    const had =
      kept === undefined ? "findings that findings.json had" : `${countOf(kept, "finding")} that the import kept`;
    const found = kept === undefined ? `${missing} fewer of the` : `${inDojo.count} of the`;
    const left = syncBack
      ? `missing findings stay in findings.json, marked ${MISSING.attribute}`
      : "findings.json has all";
    told.push(`${NOW_FEWER}${found} ${had}; ${left}`);
  }
  if (syncBack && findings.count === 0 && uploaded !== undefined && uploaded.count > 0)
    told.push(`${NOW_EMPTY}DefectDojo has none of the scan's ${countOf(uploaded.count, "finding")}`);
  return told;
}
