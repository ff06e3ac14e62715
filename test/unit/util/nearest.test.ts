import { describe, expect, it } from "vitest";
import { nearest } from "../../../lib/util/nearest.ts";

describe("suggests the closest candidate", () => {
  it.each([
    ["one that begins with the name", "nuclei", ["Nexpose", "Nuclei Scan"], undefined, "Nuclei Scan"],
    ["the one with the fewest edits", "Trviy", ["Nikto", "Trivy"], undefined, "Trivy"],
    ["nothing beyond the edits allowed", "Trviy", ["Nikto", "Tenable"], 2, undefined],
    ["nothing of nothing", "Trivy", [], undefined, undefined],
    ["one for a blank name too", " ", ["Trivy", "Nikto"], undefined, "Trivy"],
  ])("is %s", (_, name, candidates, most, expected) => {
    expect(nearest(name, candidates, most)).toBe(expected);
  });
});
