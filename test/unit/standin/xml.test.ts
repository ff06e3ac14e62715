import { describe, expect, it } from "vitest";
import { elements, parseXml, textOf } from "../../../infra/local/defectdojo/xml.ts";

describe("parseXml", () => {
  it("reads elements, attributes, text, entities and CDATA", () => {
    const root = parseXml(`<?xml version="1.0"?>
      <!DOCTYPE a [<!ENTITY x "y">]>
      <!-- a > comment -->
      <a one="1" two='"2" &gt; 1'><b>x &lt; &#65;&#x42; &amp;amp;</b><b/><c><![CDATA[<raw> & ]]></c></a>
    `);
    expect(root).toMatchObject({ name: "a", attributes: { one: "1", two: '"2" > 1' } });
    expect(elements(root, "b").map((e) => e.text)).toEqual(["x < AB &amp;", ""]);
    expect(textOf(root, "c")).toBe("<raw> & ");
    expect(textOf(root, "d")).toBeUndefined();
  });

  it.each(["not xml", "", "<a>", "<a></b>", "<a/>text", "<a"])("refuses %j", (text) => {
    expect(() => parseXml(text)).toThrow(SyntaxError);
  });
});
