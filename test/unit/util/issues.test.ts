import { describe, expect, it } from "vitest";
import * as z from "zod";
import { describeIssues } from "../../../lib/util/issues.ts";

const issuesOf = (schema: z.ZodType, value: unknown, root?: string) => {
  const parsed = schema.safeParse(value);
  if (parsed.success) throw new Error("the value is valid");
  return describeIssues(parsed.error, root);
};

describe("describeIssues", () => {
  it("names each path with its message", () => {
    const schema = z.object({ a: z.string(), b: z.object({ c: z.array(z.number()) }) });
    expect(issuesOf(schema, { b: { c: [1, "x"] } })).toBe(
      "a: Invalid input: expected string, received undefined; b.c[1]: Invalid input: expected number, received string",
    );
  });

  it("puts the root before each path", () => {
    expect(issuesOf(z.object({ name: z.string() }), {}, "[3]")).toMatch(/^\[3\]\.name: /);
    expect(issuesOf(z.object({ name: z.string() }), 1, "[3]")).toMatch(/^\[3\]: /);
  });

  it("says (whole) where the value itself is wrong", () => {
    expect(issuesOf(z.object({}), null)).toMatch(/^\(whole\): /);
    expect(issuesOf(z.array(z.string()), ["a", 1])).toMatch(/^\[1\]: /);
  });

  it("does not repeat values, which may be secrets", () => {
    const schema = z.object({ key: z.enum(["a"]), port: z.coerce.number(), url: z.url() });
    expect(issuesOf(schema, { key: "s3cr3t", port: "s3cr3t", url: "s3cr3t" })).not.toContain("s3cr3t");
  });

  it("names twenty and counts the rest", () => {
    const text = issuesOf(z.array(z.string()), Array(25).fill(1));
    expect(text.split("; ")).toHaveLength(21);
    expect(text.endsWith("; and 5 more")).toBe(true);
  });
});
