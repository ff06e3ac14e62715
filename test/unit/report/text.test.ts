import { describe, expect, it } from "vitest";
import { jacksonJson } from "../../../lib/report/jackson-text.ts";
import { cleanText, cutText } from "../../../lib/util/text.ts";
import { sharedFile, sharedFolders } from "../../helpers/shared.ts";

describe("cleanText", () => {
  it.each([
    ["a\u0000b\u0001\u0008\u000b\u000c\u000e\u001f\u007fc", "abc"],
    ["a\tb\nc\rd", "a\tb\nc\rd"],
    ["é ü 😀 漢", "é ü 😀 漢"],
    ["\ud83d", "\ufffd"],
    ["\ude00x", "\ufffdx"],
    ["", ""],
  ])("%j becomes %j", (text, expected) => {
    expect(cleanText(text)).toBe(expected);
  });
});

describe("cutText", () => {
  it.each([
    ["abc", 3, "abc"],
    ["abcd", 3, "ab…"],
    ["ab😀", 4, "ab😀"],
    ["a😀bc", 3, "a…"],
    ["a😀bc", 4, "a😀…"],
    ["", 3, ""],
  ])("%j in %d characters is %j", (text, longest, expected) => {
    expect(cutText(text, longest)).toBe(expected);
  });
});

describe("jacksonJson lays out as Jackson's DefaultPrettyPrinter with two blanks", () => {
  it.each<[string, unknown, string]>([
    ["an empty object", {}, "{ }"],
    ["an empty array", [], "[ ]"],
    ["an object", { a: 1, b: "x" }, '{\n  "a" : 1,\n  "b" : "x"\n}'],
    ["an array in one line", { a: [1, 2, "x", null] }, '{\n  "a" : [ 1, 2, "x", null ]\n}'],
    ["objects in objects", { a: { b: { c: true } } }, '{\n  "a" : {\n    "b" : {\n      "c" : true\n    }\n  }\n}'],
    ["objects in an array", { a: [{ b: 1 }, { c: 2 }] }, '{\n  "a" : [ {\n    "b" : 1\n  }, {\n    "c" : 2\n  } ]\n}'],
    ["arrays in arrays", [[1], [], [[2]]], "[ [ 1 ], [ ], [ [ 2 ] ] ]"],
    ["objects in arrays in arrays", [[{ a: 1 }]], '[ [ {\n  "a" : 1\n} ] ]'],
    ["empty ones within", { a: {}, b: [] }, '{\n  "a" : { },\n  "b" : [ ]\n}'],
    [
      "null, true, false and numbers",
      { a: null, b: true, c: false, d: -1.5 },
      '{\n  "a" : null,\n  "b" : true,\n  "c" : false,\n  "d" : -1.5\n}',
    ],
    ["quotes, slashes and line ends", ['"\\/\b\f\n\r\t'], '[ "\\"\\\\/\\b\\f\\n\\r\\t" ]'],
    ["control characters, with capital digits", ["\u0000\u001f\u000b"], '[ "\\u0000\\u001F\\u000B" ]'],
    ["text that only looks like an escape", ["\\u001f"], '[ "\\\\u001f" ]'],
    ["other scripts as they are", { "schlüssel 漢": "é😀\u007f\u2028" }, '{\n  "schlüssel 漢" : "é😀\u007f\u2028"\n}'],
    ["nothing as null", undefined, "null"],
    ["doubles as Java does", [0.5, 0.0001, 12345678.9, 1e21, -1e-9], "[ 0.5, 1.0E-4, 1.23456789E7, 1.0E21, -1.0E-9 ]"],
  ])("%s", (_, value, expected) => {
    expect(jacksonJson(value)).toBe(expected);
  });

  // Findings that the Java hook imported as Generic Findings Import: their descriptions end with the attributes, as Jackson wrote them.
  const scans = sharedFolders("reference-output").filter((file) => /^(subfinder|ncrack|git-repo-scanner)/.test(file));
  it.each(scans)("as the reference hook did in %s", (file) => {
    interface Finding {
      description?: string | null;
      attributes: Record<string, unknown>;
    }
    const before = sharedFile(`scans/${file.replace(/\.json$/, "")}/findings.json`) as Finding[];
    const after = sharedFile(`reference-output/${file}`) as Finding[];
    const layouts = new Set(after.map(({ description }) => description));
    expect(after.length).toBeGreaterThan(0);
    for (const { description, attributes } of before)
      expect(layouts).toContain(`${description}\n ${jacksonJson(attributes)}`);
  });
});
