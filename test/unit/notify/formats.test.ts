import { describe, expect, it } from "vitest";
import type { Notice } from "../../../lib/model/notice.ts";
import { NO_FINDINGS } from "../../../lib/model/verdicts.ts";
import { describeChange } from "../../../lib/notify/changes.ts";
import { NOTICE_FORMATS } from "../../../lib/notify/formats.ts";

const FINDING = {
  id: 7,
  name: "SQL <injection> in a|b & [c](d)",
  severity: "High",
  url: "https://dojo/finding/7",
} as const;
const NOTICE: Notice = {
  id: "abc",
  title: "3 new findings in *Shop* <x>",
  scan: { name: "zap", scanType: "zap", importedAs: "ZAP Scan" },
  product: "Shop",
  engagement: "main",
  test: { name: "zap", url: "https://dojo/test/1" },
  findings: "s3://b/zap/findings.json",
  counts: { ...NO_FINDINGS, new: 3, duplicates: 2 },
  fresh: { count: 3, shown: [{ ...FINDING, location: "https://shop/?q=1" }] },
  changed: {
    count: 1,
    shown: [{ id: 8, name: "Old", severity: undefined, url: "", location: "", change: "now false positive" }],
  },
};

describe("notification formats", () => {
  it("slack: marks escaped, links, and N more", () => {
    expect((NOTICE_FORMATS.slack(NOTICE) as { text: string }).text.split("\n")).toEqual([
      "*3 new findings in *Shop* &lt;x&gt;*",
      "• *High* <https://dojo/finding/7|SQL &lt;injection&gt; in a¦b &amp; [c](d)> – https://shop/?q=1",
      "and 2 more",
      "• Old – now false positive",
      "<https://dojo/test/1|zap>: 3 new, 2 duplicates",
    ]);
  });

  it("teams: an adaptive card with marks escaped", () => {
    const card = NOTICE_FORMATS.teams(NOTICE) as {
      type: string;
      attachments: { content: { body: { text: string }[]; actions: object[] } }[];
    };
    const [{ content } = { content: { body: [], actions: [] } }] = card.attachments;
    expect(card.type).toBe("message");
    expect(content.body.map(({ text }) => text)).toEqual([
      "3 new findings in \\*Shop\\* \\<x\\>",
      "- **High** [SQL \\<injection\\> in a|b & \\[c\\](d)](https://dojo/finding/7) https://shop/?q=1",
      "and 2 more",
      "- Old: now false positive",
      "3 new, 2 duplicates",
    ]);
    expect(content.actions).toMatchObject([{ type: "Action.OpenUrl", url: "https://dojo/test/1" }]);
  });

  it("json: everything, with its version", () => {
    expect(NOTICE_FORMATS.json(NOTICE)).toMatchObject({
      version: 1,
      id: "abc",
      product: "Shop",
      new: { count: 3, findings: [{ id: 7 }] },
      changed: { count: 1, findings: [{ change: "now false positive" }] },
    });
  });

  it.each([
    [["active"], ["inactive", "riskAccepted"], "now risk accepted"],
    [["inactive", "falsePositive"], ["active"], "no longer false positives"],
    [["active"], [], "no longer in DefectDojo"],
    [[], ["active"], "new in this scan"],
    [["inactive"], ["active"], "active again"],
    [["HIGH", "active"], ["LOW", "active"], "HIGH → LOW"],
    [["active"], ["inactive", "duplicate"], "now duplicate"],
  ])("%j to %j is told in words", (from, to, words) => {
    expect(describeChange({ from, to })).toBe(words.replace("positives", "positive"));
  });
});
