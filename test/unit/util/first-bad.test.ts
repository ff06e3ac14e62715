import { describe, expect, it } from "vitest";
import * as z from "zod";
import { parseSidecar } from "../../../lib/model/scan.ts";
import { findingSchema } from "../../../lib/report/findings-file.ts";
import { arrayOf, recordOf } from "../../../lib/util/first-bad.ts";
import { aFinding, aSidecar } from "../../helpers/factories.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const MANY = 100_000;
const many = <T>(value: T): T[] => Array(MANY).fill(value);
const manyNamed = <T>(value: T) => Object.fromEntries(many(value).map((one, i) => [`n${i}`, one]));
const element = z.object({ a: z.string(), b: z.string().transform((text) => text.length) });

/** The element, and how often it was looked at. */
function counted(schema: z.ZodType = z.string()) {
  let looks = 0;
  const counting = z.unknown().transform((value, context) => {
    looks++;
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    context.addIssue("bad");
    return z.NEVER;
  });
  return { counting, looks: () => looks };
}

describe("good elements", () => {
  it("are all returned, as the element's schema parses them", () => {
    expect(arrayOf(element).parse([{ a: "x", b: "abc", c: 1 }])).toEqual([{ a: "x", b: 3 }]);
    expect(recordOf(element).parse({ k: { a: "x", b: "" } })).toEqual({ k: { a: "x", b: 0 } });
    expect(arrayOf(z.string()).parse(many("x"))).toHaveLength(MANY);
    expect(arrayOf(z.string()).parse([])).toEqual([]);
  });

  it.each([
    [arrayOf(z.string()), { 0: "a", length: 1 }],
    [recordOf(z.string()), ["a"]],
  ])("of what is no array or record are none (%#)", (schema, value) => {
    expect(schema.safeParse(value).error?.issues).toHaveLength(1);
  });
});

describe("bad elements", () => {
  it("are named by index and field, as zod itself does", () => {
    const value = { list: [{ a: "x", b: "y" }, { a: 1 }, null], named: { "k.l": { b: "" } } };
    const ours = z.object({ list: arrayOf(element), named: recordOf(element) });
    const zods = z.object({ list: z.array(element), named: z.record(z.string(), element) });
    const told = (schema: z.ZodType) =>
      schema.safeParse(value).error?.issues.map(({ path, message }) => [path, message]);
    expect(told(ours)).toEqual(told(zods));
    expect(told(ours)).toHaveLength(4);
  });

  it("are reported up to the tenth, and checking stops there", () => {
    const [list, record] = [counted(), counted()];
    expect(arrayOf(list.counting).safeParse(["good", ...many(1)]).error?.issues).toHaveLength(10);
    expect(recordOf(record.counting).safeParse(manyNamed(1)).error?.issues).toHaveLength(10);
    expect([list.looks(), record.looks()]).toEqual([11, 10]);
  });

  it("are found at any position", () => {
    const items = many<unknown>("x");
    items[MANY - 1] = 1;
    expect(arrayOf(z.string()).safeParse(items).error?.issues).toEqual([
      expect.objectContaining({ path: [MANY - 1], message: expect.stringContaining("expected string") }),
    ]);
  });
});

describe("reports few issues for a file full of bad elements", () => {
  it.each([
    ["no objects", 1],
    ["objects without fields", {}],
    ["arrays", []],
  ])("in references that are %s", (_, bad) => {
    const { error } = findingSchema.safeParse(aFinding({ references: many(bad) as never }));
    expect(error?.issues.length).toBeGreaterThan(0);
    expect(error?.issues.length).toBeLessThanOrEqual(20);
  });

  it.each([
    ["parameters", "spec.parameters[9]", aSidecar({ spec: { parameters: many(1) } })],
    ["annotations", "metadata.annotations.n9", aSidecar({ metadata: { annotations: manyNamed(1) } })],
    ["owners", "metadata.ownerReferences[9].kind", aSidecar({ metadata: { ownerReferences: many({ name: "x" }) } })],
    [
      "expressions",
      "spec.hookSelector.matchExpressions[9].key",
      aSidecar({ spec: { hookSelector: { matchExpressions: many({ operator: "In" }) } } }),
    ],
  ])("in a Scan's %s", async (_, last, sidecar) => {
    const { message } = await relayErrorBy(() => parseSidecar(sidecar, "o"));
    expect(message.split("; ")).toHaveLength(10);
    expect(message).toContain(`${last}: `);
  });
});
