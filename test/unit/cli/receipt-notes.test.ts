import { describe, expect, it } from "vitest";
import { receiptNotes } from "../../../cli/wait/receipt-notes.ts";

const RECEIPT = { deduplication: "confirmed", new: 2, importedAs: "Nmap Scan", warnings: [] as string[] } as const;

describe("the notes beside a receipt's counts", () => {
  it("are none where they are all there is to say", () => {
    expect(receiptNotes(RECEIPT)).toEqual([]);
    expect(receiptNotes({ ...RECEIPT, deduplication: "assumed", new: 0 })).toEqual([]);
  });

  it("say that new findings may be known, what was imported instead, and every warning up to a limit", () => {
    const warnings = Array.from({ length: 7 }, (_, n) => `warning ${n}`);
    const fellBack = "DefectDojo's parser refused it";
    expect(
      receiptNotes({ ...RECEIPT, deduplication: "assumed", importedAs: "Generic Findings Import", fellBack, warnings }),
    ).toEqual([
      "DefectDojo did not say that deduplication is done: some of the new findings may turn out to be known",
      "imported as Generic Findings Import: DefectDojo's parser refused it",
      ...warnings.slice(0, 5),
      "2 more warnings in the receipt",
    ]);
  });
});
