import { describe, expect, it } from "vitest";
import { parseLabels, selects } from "../../../lib/model/hook-selector.ts";
import type { HookSelector } from "../../../lib/model/scan.ts";

type Operator = NonNullable<HookSelector["matchExpressions"]>[number]["operator"];
const LABELS = { team: "appsec", stage: "prod", empty: "" };
const one = (key: string, operator: Operator, values?: string[]): HookSelector => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
});

describe("a hookSelector", () => {
  it.each<[string, HookSelector | undefined, boolean]>([
    ["that is missing selects every hook", undefined, true],
    ["that is empty selects every hook", {}, true],
    ["with empty parts selects every hook", { matchLabels: {}, matchExpressions: [] }, true],
    ["with null parts selects every hook", { matchLabels: null, matchExpressions: null }, true],
    ["matches by a label", { matchLabels: { team: "appsec" } }, true],
    ["needs every label", { matchLabels: { team: "appsec", stage: "dev" } }, false],
    ["does not match a label that is missing", { matchLabels: { owner: "x" } }, false],
    ["does not match an empty label by a missing one", { matchLabels: { owner: "" } }, false],
    ["matches an empty label", { matchLabels: { empty: "" } }, true],
    ["does not see inherited names", { matchLabels: { constructor: "x" } }, false],
    ["In holds where the value is listed", one("team", "In", ["x", "appsec"]), true],
    ["In does not hold where it is not", one("team", "In", ["x"]), false],
    ["In does not hold where the label is missing", one("owner", "In", ["x"]), false],
    ["In does not hold without values", one("team", "In"), false],
    ["NotIn holds where the value is not listed", one("team", "NotIn", ["x"]), true],
    ["NotIn does not hold where it is", one("team", "NotIn", ["appsec"]), false],
    ["NotIn holds where the label is missing", one("owner", "NotIn", ["x"]), true],
    ["Exists holds where the label is there", one("team", "Exists"), true],
    ["Exists holds for an empty label", one("empty", "Exists"), true],
    ["Exists does not hold where it is missing", one("owner", "Exists"), false],
    ["Exists does not see inherited names", one("toString", "Exists"), false],
    ["DoesNotExist holds where the label is missing", one("owner", "DoesNotExist"), true],
    ["DoesNotExist does not hold where it is there", one("team", "DoesNotExist"), false],
    [
      "needs labels and expressions alike",
      { matchLabels: { team: "appsec" }, matchExpressions: [{ key: "stage", operator: "NotIn", values: ["prod"] }] },
      false,
    ],
  ])("%s", (_, selector, expected) => {
    expect(selects(selector, LABELS)).toBe(expected);
  });
});

describe("parseLabels", () => {
  it.each<[string, Record<string, string>]>([
    ["", {}],
    ["a=b", { a: "b" }],
    [" a = b , c=d ,", { a: "b", c: "d" }],
    ["a=", { a: "" }],
    ["a=b=c", { a: "b=c" }],
    ["securecodebox.io/hook=persistence", { "securecodebox.io/hook": "persistence" }],
  ])("reads %j", (text, expected) => {
    expect(parseLabels(text)).toEqual(expected);
  });

  it.each(["a", "=b", "a=b,c"])("refuses %j", (text) => {
    expect(() => parseLabels(text)).toThrow("is not key=value");
  });
});
