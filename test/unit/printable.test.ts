import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { commandLog } from "../../cli/command-log.ts";
import { print } from "../../cli/options.ts";
import { printable, printableLine, shellWord } from "../../cli/terminal/printable.ts";
import { table } from "../../cli/terminal/table.ts";

const EVIL = "a\u001b[2Jb\u009b1mc\rd\u202ee\u0007\u007f";
const SEEN = "a\\u001b[2Jb\\u009b1mc\\u000dd\\u202ee\\u0007\\u007f";

describe("what a terminal would obey is shown as its escape", () => {
  it.each([
    ["plain text", "plain text"],
    ["é 漢 😀 \t tab\nand line", "é 漢 😀 \t tab\nand line"],
    [EVIL, SEEN],
    ["\u2066x\u2069\u200f\u2028", "\\u2066x\\u2069\\u200f\\u2028"],
  ])("%j", (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it("and what has to stay in its line stays there", () => {
    expect(printableLine("a\nb\tc")).toBe("a\\nb\\tc");
  });

  it.each(["nightly/", "it's", "a\\tb", `${EVIL}\n'\\`])("%j is a word that the shell reads as it was", (text) => {
    const word = shellWord(text);
    expect(word).toBe(printableLine(word));
    const env = { LC_ALL: "C.UTF-8" };
    expect(execFileSync("/bin/bash", ["--norc", "-c", `printf %s ${word}`], { encoding: "utf8", env })).toBe(text);
  });

  it("in tables, whose columns stay in line", () => {
    expect(
      table([{ scan: EVIL, n: 1 }])
        .split("\n")
        .at(-1),
    ).toBe(`${SEEN}  1`);
    expect(table([{ scan: "a\nb" }]).split("\n")).toHaveLength(3);
  });

  it("in warnings of commands", () => {
    const lines: string[] = [];
    commandLog((line) => lines.push(line)).warn("no", { object: EVIL });
    expect(lines).toEqual([`warning: no (${SEEN})\n`]);
  });

  it("in answers as text, and not in JSON, which has escapes of its own", () => {
    const written: string[] = [];
    const { write } = process.stdout;
    process.stdout.write = ((text: string) => written.push(text)) as never;
    try {
      print({ scan: EVIL }, false, () => EVIL);
      print({ scan: EVIL }, true, () => EVIL);
    } finally {
      process.stdout.write = write;
    }
    expect(written[0]).toBe(`${SEEN}\n`);
    expect(JSON.parse(written[1] ?? "")).toEqual({ scan: EVIL });
  });
});
