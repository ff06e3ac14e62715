import { describe, expect, it } from "vitest";
import { withFewerFindings } from "../../../lib/sync/fewer-findings.ts";

describe("findings that are no longer in DefectDojo", () => {
  it("are warned of, once, with both numbers", () => {
    const first = withFewerFindings(["other"], 5, 2);
    expect(first).toMatchObject({ missing: 3, warnings: ["other", expect.stringContaining("2 of the 5 findings")] });
    const second = withFewerFindings(first.warnings, 5, 0);
    expect(second).toMatchObject({ missing: 5, warnings: ["other", expect.stringContaining("0 of the 5 findings")] });
    expect(withFewerFindings(second.warnings, 5, 5)).toEqual({ missing: 0, warnings: ["other"] });
  });
  it.each([undefined, 2, 1])("are not where the import kept %s of 2", (kept) => {
    expect(withFewerFindings(["other"], kept, 2)).toEqual({ missing: 0, warnings: ["other"] });
  });
});
