/** Renders a terminal's output as an SVG whose lines appear one after another, in order. */

export interface TerminalOptions {
  readonly title: string;
  /** Longer lines are truncated. */
  readonly columns: number;
}

/** Pixels. */
const CHARACTER = 8.4;
const LINE = 19;
const MARGIN = 16;
const HEADER = 34;

/** Seconds between two lines, and before a heading. */
const STEP = 0.12;
const PAUSE = 1.3;

interface Piece {
  readonly text: string;
  readonly bold: boolean;
}

/** A control sequence of a terminal. */
const ESCAPE = new RegExp(`(${String.fromCharCode(27)}\\[[\\d;]*[A-Za-z])`);

/** Supports only the style that the demo uses, bold, and omits other escapes. */
export function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let bold = false;
  for (const part of line.split(ESCAPE)) {
    const isEscape = part.startsWith("\u001b[");
    const [codes, end] = isEscape ? [part.slice(2, -1), part.at(-1)] : ["", undefined];
    if (end === "m") bold = codes === "1" || (bold && codes !== "22" && codes !== "0" && codes !== "");
    else if (end === undefined && part !== "") found.push({ text: part, bold });
  }
  return found;
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** @param output with ANSI escapes; lines end with `\n` */
export function terminalSvg(output: string, { title, columns }: TerminalOptions): string {
  const lines = output
    .replace(/^\n+|\n+$/g, "")
    .split("\n")
    .map(pieces);
  const width = Math.ceil(columns * CHARACTER + 2 * MARGIN);
  const height = HEADER + lines.length * LINE + MARGIN;
  let at = 0.4;
  const texts = lines.map((line, index) => {
    at += line[0]?.bold === true && index > 0 ? PAUSE : STEP;
    return textOf(line, HEADER + (index + 1) * LINE - 4, { at, columns });
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>
text { font: 14px ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; fill: #d4dbe6; white-space: pre; opacity: 0; animation: show 0.01s forwards }
.b { font-weight: bold; fill: #ffffff }
.t { fill: #8a94a6; opacity: 1; animation: none; text-anchor: middle }
@keyframes show { to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { text { opacity: 1; animation: none } }
</style>
<rect width="${width}" height="${height}" rx="8" fill="#161b22"/>
<circle cx="18" cy="17" r="5" fill="#f0655a"/><circle cx="36" cy="17" r="5" fill="#e6b450"/><circle cx="54" cy="17" r="5" fill="#5fb865"/>
<text class="t" x="${width / 2}" y="22">${escaped(title)}</text>
${texts.filter((text) => text !== "").join("\n")}
</svg>
`;
}

function textOf(line: readonly Piece[], y: number, { at, columns }: { at: number; columns: number }): string {
  let left = columns;
  const shown = line.flatMap(({ text, bold }) => {
    if (left <= 0) return [];
    const cut = text.length > left ? `${text.slice(0, left - 1)}…` : text;
    left -= text.length;
    return [bold ? `<tspan class="b">${escaped(cut)}</tspan>` : escaped(cut)];
  });
  if (shown.length === 0) return "";
  return `<text x="${MARGIN}" y="${y}" xml:space="preserve" style="animation-delay:${at.toFixed(2)}s">${shown.join("")}</text>`;
}
