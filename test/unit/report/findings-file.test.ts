import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readFindings, type ScanFinding } from "../../../lib/report/findings-file.ts";
import { jacksonJson } from "../../../lib/report/jackson-text.ts";
import { brokenBody } from "../../helpers/broken-body.ts";
import { collect } from "../../helpers/collect.ts";
import { aFinding } from "../../helpers/factories.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const OBJECT = "s3://b/scan-abc/findings.json";
const bytes = (content: string | Uint8Array) => Readable.from(content.length === 0 ? [] : [Buffer.from(content)]);
const read = (body: Readable): Promise<ScanFinding[]> => collect(readFindings(body, OBJECT));
const refused = async (content: string | Uint8Array) => {
  const error = await relayErrorBy(() => read(bytes(content)));
  expect(error).toMatchObject({ reason: "findings-invalid", object: OBJECT });
  expect(error.message.startsWith(`${OBJECT}: `)).toBe(true);
  return error.message;
};

describe("findings are read one after another", () => {
  it("in their order, with all that they hold", async () => {
    const findings = [aFinding(), aFinding({ id: null, extra: { a: [1, { b: null }] } }), { name: "only a name" }];
    expect(await read(bytes(JSON.stringify(findings)))).toEqual(findings);
  });

  it("from chunks that are cut anywhere", async () => {
    const findings = [aFinding({ name: 'é 漢 😀 \\ "' }), aFinding()];
    const content = Buffer.from(JSON.stringify(findings));
    const chunks = Array.from(content, (_, i) => content.subarray(i, i + 1));
    expect(await read(Readable.from(chunks))).toEqual(findings);
  });

  it("also with a byte order mark and blanks around", async () => {
    expect(await read(bytes('\ufeff \n[ {"name" : "a"} ]\n '))).toEqual([{ name: "a" }]);
  });

  it("with numbers that keep their text where a double would lose it", async () => {
    const content =
      '[{"name":"a","attributes":{"a":7.0,"b":12345678901234567890,"c":0.10,"d":1e3,"e":-0,"f":1.5,"g":80}}]';
    const [finding] = await read(bytes(content));
    expect(JSON.stringify([finding])).toBe(content);
    expect(jacksonJson(finding?.attributes)).toBe(
      '{\n  "a" : 7.0,\n  "b" : 12345678901234567890,\n  "c" : 0.1,\n  "d" : 1000.0,\n  "e" : 0,\n  "f" : 1.5,\n  "g" : 80\n}',
    );
    expect(finding?.attributes).toMatchObject({ f: 1.5, g: 80 });
  });

  it("none of an empty array", async () => {
    expect(await read(bytes("[]"))).toEqual([]);
  });

  it("and are there before the rest of the file", async () => {
    let sent = 0;
    const body = Readable.from(
      (function* () {
        yield "[";
        for (; sent < 100_000; sent++) yield `${sent === 0 ? "" : ","}{"name":"a"}`;
        yield "]";
      })(),
    );
    for await (const finding of readFindings(body, OBJECT)) {
      expect(finding).toEqual({ name: "a" });
      break;
    }
    expect(sent).toBeLessThan(2_000);
    expect(body.destroyed).toBe(true);
  });

  it("a hundred thousand of them without holding them", async () => {
    const text = JSON.stringify(aFinding({ description: "x".repeat(500) }));
    const body = Readable.from(
      (function* () {
        for (let i = 0; i < 20_000; i++) yield `${i === 0 ? "[" : ","}${text}`;
        yield "]";
      })(),
    );
    let count = 0;
    for await (const _ of readFindings(body, OBJECT)) count++;
    expect(count).toBe(20_000);
  });
});

it.each(["", " "])("a name of %j is one: secureCodeBox's schema has it", async (name) => {
  expect(await read(Readable.from([JSON.stringify([{ name }])]))).toEqual([{ name }]);
});

describe("a file that is no array of findings", () => {
  it.each([
    ["is empty", ""],
    ["is blank", " \n"],
    ["is an object", "{}"],
    ["is an object of findings", '{"findings":[]}'],
    ["is null", "null"],
    ["is a text", '"[]"'],
    ["is a number", "1"],
    ["is no JSON", "<html>"],
    ["ends within a name", '[{"name":"a"},{"na'],
    ["ends after a finding", '[{"name":"a"}'],
    ["ends after a comma", '[{"name":"a"},'],
    ["has a comma too many", '[{"name":"a"},]'],
    ["has two arrays", '[{"name":"a"}][{"name":"b"}]'],
    ["goes on after its array", '[{"name":"a"}] x'],
    ["has a word without quotes", "[{name:1}]"],
    ["has NaN", '[{"name":"a","x":NaN}]'],
    ["has a raw line break in a text", '[{"name":"a\nb"}]'],
    ["has single quotes", "[{'name':'a'}]"],
    ["is binary", new Uint8Array([0, 255, 254, 1])],
    ["is gzip", new Uint8Array([0x1f, 0x8b, 8, 0])],
  ])("is refused where it %s", async (_, content) => {
    expect(await refused(content)).toMatch(/not an array of findings/);
  });

  it("says how far it was read", async () => {
    const error = await relayErrorBy(() => read(Readable.from(['[{"name":"a"},{"name":"b"}', ",x]"])));
    expect(error.message).toContain("after 2 findings or more");
  });
});

describe("a bad finding is named by its place and each bad field", () => {
  it.each([
    ["no name", '[{"name":"a"},{"id":"b"}]', "finding [1].name: is missing or not a text"],
    ["a name that is a number", '[{"name":1}]', "finding [0].name: is missing or not a text"],
    ["a name that is null", '[{"name":null}]', "finding [0].name: is missing or not a text"],
    ["a severity that is a number", '[{"name":"a","severity":3}]', "finding [0].severity: "],
    ["attributes that are a list", '[{"name":"a","attributes":[1]}]', "finding [0].attributes: "],
    ["references that are texts", '[{"name":"a","references":["x"]}]', "finding [0].references[0]: "],
    ["a reference without a value", '[{"name":"a","references":[{"type":"x"}]}]', "finding [0].references[0].value: "],
    ["a number in its place", "[1]", "finding [0]: "],
    ["null in its place", "[null]", "finding [0]: "],
    ["an array in its place", "[[]]", "finding [0]: "],
    ["a name that it inherits alone", '[{"__proto__":{"name":"a"}}]', "finding [0].name: is missing or not a text"],
  ])("with %s", async (_, content, expected) => {
    expect(await refused(content)).toContain(expected);
  });

  it("with several bad fields", async () => {
    const message = await refused('[{"severity":1,"location":2}]');
    for (const field of ["[0].name", "[0].severity", "[0].location"]) expect(message).toContain(field);
  });
});

describe("limits", () => {
  it("a finding may be nested a hundred levels deep, and no deeper", async () => {
    const nested = (levels: number) => `[{"name":"a","attributes":{"x":${"[".repeat(levels)}${"]".repeat(levels)}}}]`;
    expect(await read(bytes(nested(97)))).toHaveLength(1);
    expect(await refused(nested(98))).toContain("finding [0] is nested deeper than 100 levels");
    expect(await refused("[".repeat(100_000))).toContain("nested deeper than 100 levels");
  });

  it("a finding of many texts may not be larger than memory allows", async () => {
    const body = Readable.from(
      (function* () {
        yield '[{"name":"a"},{"name":"b","attributes":{"x":[""';
        for (;;) yield `,"${"x".repeat(60_000)}"`;
      })(),
    );
    const error = await relayErrorBy(() => read(body));
    expect(error.message).toContain("finding [1] has more than 16777216 characters");
  });

  it.each([
    ["one text without an end", () => "x".repeat(65_536)],
    ["one number without an end", () => "1".repeat(65_536)],
    ["blanks without an end", () => " ".repeat(65_536)],
  ])("%s is refused before it is held", async (kind, next) => {
    let sent = 0;
    const body = Readable.from(
      (function* () {
        yield `[{"name":${kind.includes("text") ? '"' : ""}`;
        for (; sent < 4_000; sent++) yield next();
      })(),
    );
    const error = await relayErrorBy(() => read(body));
    expect(error).toMatchObject({ reason: "findings-invalid", object: OBJECT });
    expect(error.message).toContain("finding [0] has more than 16777216 characters");
    expect(sent).toBeLessThan(1_000);
  });

  it("a finding of countless empty values is refused", async () => {
    const body = Readable.from(
      (function* () {
        yield '[{"name":"a","attributes":{"x":[null';
        for (let i = 0; i < 4_000; i++) yield ",null,{},[]".repeat(1_000);
        yield "]}}]";
      })(),
    );
    expect((await relayErrorBy(() => read(body))).message).toContain("finding [0] has more than");
  });
});

describe("an error of the stream is no error of the findings", () => {
  it("and is not put down to the file", async () => {
    const body = brokenBody('[{"name":"a"},', Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    const error = await relayErrorBy(() => read(body));
    expect(error).toMatchObject({ reason: "internal", errorClass: "transient", object: OBJECT, message: "aborted" });
  });
});
