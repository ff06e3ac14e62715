import { describe, expect, it } from "vitest";
import { serviceLog } from "../../cli/runtime/service-log.ts";
import { printableJson } from "../../cli/terminal/printable.ts";
import { fc } from "../helpers/property.ts";

/** C1 controls, DEL, direction marks, line separators: characters that a terminal interprets and JSON.stringify leaves. */
const SHARP = "\u007f\u0085\u009b31m\u200e\u202e\u2066\u2069\u061c\u2028\u2029";
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\u2028\u2029]/;

describe("hardened 9: controls in log and --json", () => {
  it("writes them to the log as JSON escapes, with the same content", () => {
    const lines: string[] = [];
    const log = serviceLog("debug", (line) => lines.push(line) > 0);
    log.warn(`a ${SHARP}`, { object: SHARP, [SHARP]: 1, error: new Error(SHARP) });
    expect(lines.join("")).not.toMatch(RAW);
    expect(JSON.parse(lines.join(""))).toMatchObject({ message: `a ${SHARP}`, object: SHARP, [SHARP]: 1 });
  });

  it("prints any value as equal JSON without controls", () => {
    const text = fc.string({ unit: fc.oneof(fc.constantFrom(...SHARP), fc.string({ unit: "binary" })) });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(text, text), fc.nat(2), (value, texts, indent) => {
        const printed = printableJson([value, texts], indent);
        expect(printed).not.toMatch(RAW);
        expect(JSON.parse(printed)).toEqual(JSON.parse(JSON.stringify([value, texts])));
      }),
    );
  });

  it("prints the JSON of all commands this way", async () => {
    const { readdirSync, readFileSync } = await import("node:fs");
    const cli = new URL("../../cli/", import.meta.url).pathname;
    const files = (readdirSync(cli, { recursive: true }) as string[]).filter((name) => name.endsWith(".ts"));
    for (const file of files)
      for (const line of readFileSync(`${cli}${file}`, "utf8").split("\n"))
        if (/std(out|err)\.write\(/.test(line)) expect(line, file).not.toContain("JSON.stringify");
  });
});
