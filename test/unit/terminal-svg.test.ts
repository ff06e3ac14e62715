import { expect, it } from "vitest";
import { pieces, terminalSvg } from "../record/terminal-svg.ts";

it("knows bold, and leaves other escapes out", () => {
  expect(pieces("\u001b[1mhead\u001b[22m tail \u001b[31mred\u001b[39m\u001b[2K")).toEqual([
    { text: "head", bold: true },
    { text: " tail ", bold: false },
    { text: "red", bold: false },
  ]);
  expect(pieces("\u001b[1m\u001b[31mboth\u001b[0m none")).toMatchObject([{ bold: true }, { bold: false }]);
});

it("shows line after line, escaped and cut, a heading after a pause", () => {
  const svg = terminalSvg("\n\u001b[1mone\u001b[22m\n<two> & 3\n\n\u001b[1mthree\u001b[22m\nfour five six\n", {
    title: "a < b",
    columns: 9,
  });
  expect(svg.match(/<text (?!class)[^>]*>.*?<\/text>/g)?.map((text) => text.replace(/^[^>]*>|<\/text>$/g, ""))).toEqual(
    ['<tspan class="b">one</tspan>', "&lt;two&gt; &amp; 3", '<tspan class="b">three</tspan>', "four fiv…"],
  );
  const delays = [...svg.matchAll(/animation-delay:([\d.]+)s/g)].map(([, seconds]) => Number(seconds));
  expect(delays).toEqual([0.52, 0.64, 2.06, 2.18]);
  expect(svg).toContain('aria-label="a &lt; b"');
  expect(terminalSvg("x", { title: "t", columns: 9 })).toBe(terminalSvg("x", { title: "t", columns: 9 }));
});
