import type { Receipt } from "../../lib/model/receipt.ts";
import { countOf } from "../../lib/util/text.ts";

/** Most warnings of one receipt that `wait` prints. */
const MOST_WARNINGS = 5;

/** What a reader of the counts should know: why they may change, what the report was imported as instead, and the receipt's warnings. */
export function receiptNotes({
  deduplication,
  new: fresh,
  importedAs,
  fellBack,
  warnings,
}: Pick<Receipt, "deduplication" | "new" | "importedAs" | "fellBack" | "warnings">): string[] {
  const open = deduplication === "assumed" && fresh > 0;
  const left = warnings.length - MOST_WARNINGS;
  return [
    ...(open
      ? ["DefectDojo did not say that deduplication is done: some of the new findings may turn out to be known"]
      : []),
    ...(fellBack === undefined ? [] : [`imported as ${importedAs}: ${fellBack}`]),
    ...warnings.slice(0, MOST_WARNINGS),
    ...(left > 0 ? [`${countOf(left, "more warning")} in the receipt`] : []),
  ];
}
