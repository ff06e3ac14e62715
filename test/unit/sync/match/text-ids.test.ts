import { describe, expect, it } from "vitest";
import { intLists } from "../../../../lib/sync/match/int-list.ts";
import { matchRow, relate } from "../../../../lib/sync/match/match.ts";
import { textIds } from "../../../../lib/sync/match/text-ids.ts";
import { aDojoFinding, aFinding } from "../../../helpers/factories.ts";

describe("numbers for texts", () => {
  it("are the same for the same text, and count up in the order in which texts are first seen", () => {
    const ids = textIds();
    const texts = Array.from({ length: 10_000 }, (_, i) => `text ${i}`);
    expect(texts.map((text) => ids.of(text))).toEqual(texts.map((_, i) => i));
    expect(texts.toReversed().map((text) => ids.of(text))).toEqual(texts.map((_, i) => i).toReversed());
    expect(ids.of("")).toBe(10_000);
  });
});

describe("lists of numbers", () => {
  it("come back by their place, empty ones too", () => {
    const lists = intLists();
    const all = Array.from({ length: 500 }, (_, i) => Array.from({ length: i % 4 }, (_, j) => i * j));
    for (const list of all) lists.push(list);
    expect(lists.length).toBe(500);
    expect(all.map((_, i) => lists.at(i))).toEqual(all);
  });
});

describe("a relation of many findings that are alike", () => {
  it("is resolved in one go, in their order", () => {
    const alike = 20_000;
    const relation = relate(matchRow("Gitleaks Scan"), "Info");
    const attributes = { description: "Key", file: "a.ts", line_number: 1, offender: "x" };
    for (let i = 0; i < alike; i++)
      relation.addScanner(aFinding({ name: "key", attributes: { ...attributes, commit: `c${i}` } }));
    for (let i = 0; i < alike; i++) {
      const description = `**Secret:** x\n**Commit hash:** d${i}`;
      relation.addDojo(aDojoFinding({ title: "Hard Coded Key Found in A.ts", filePath: "a.ts", line: 1, description }));
    }
    expect(relation.resolve()).toEqual(Array.from({ length: alike }, (_, i) => [i]));
  });
});
