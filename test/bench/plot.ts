import type { Measured } from "./measure.ts";

type Run = Measured & { readonly speedup: number };

interface Series {
  readonly name: string;
  readonly style: "none" | "all" | "floor" | "bound" | "hook";
  readonly points: readonly (readonly [findings: number, value: number])[];
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly scale: "linear" | "log";
  readonly range: readonly [number, number];
  readonly ticks: readonly number[];
  readonly series: readonly Series[];
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [400, 330, 62, 14, 44, 50];
const FINDINGS: readonly [number, number] = [700, 140_000];

/** Readable on a light and on a dark page. */
const STYLE = `
  svg { font: 13px system-ui, sans-serif; }
  text { fill: #1f2328; } .small { font-size: 12px; } .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: #d1d9e0; stroke-width: 1; } .axis { stroke: #59636e; }
  path { fill: none; stroke: currentcolor; stroke-width: 2; } circle { fill: currentcolor; }
  .none { color: #0969da; } .all { color: #bc4c00; } .hook { color: #8250df; }
  .floor, .bound { color: #59636e; } .floor { stroke-dasharray: 5 4; } .bound { stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .grid { stroke: #3d444d; } .axis { stroke: #9198a1; }
    .none { color: #4493f8; } .all { color: #f0883e; } .hook { color: #ab7df8; }
    .floor, .bound { color: #9198a1; }
  }`;

/** What the reference hook took for 1,000 findings of a real server: none and all of them duplicates. */
const HOOK = { requests: [2_023, 5_220], seconds: [115, 323], rssMiB: 167 };

/** Requests, time and memory over the number of findings, as a drawing. */
export function plot(runs: readonly Run[]): string {
  const of = (all: boolean, value: (run: Run) => number) =>
    runs.filter(({ duplicates }) => duplicates > 0 === all).map((run) => [run.findings, value(run)] as const);
  const both = (value: (run: Run) => number): Series[] => [
    { name: "no duplicates", style: "none", points: of(false, value) },
    { name: "all duplicates", style: "all", points: of(true, value) },
  ];
  // What DefectDojo takes is brought back to its measured pace; what the relay adds is its own.
  const seconds = ({ wallMs, floorMs, speedup }: Run) => (floorMs * speedup + wallMs - floorMs) / 1_000;
  const floor = ({ floorMs, speedup }: Run) => (floorMs * speedup) / 1_000;
  const sizes = [1_000, 3_000, 10_000, 30_000, 100_000];
  const hook = (values: readonly number[]): Series => ({
    name: "reference hook",
    style: "hook",
    points: values.map((value) => [1_000, value]),
  });
  const panels: Panel[] = [
    {
      title: "Requests to DefectDojo",
      unit: "requests",
      scale: "log",
      range: [10, 10_000],
      ticks: [10, 100, 1_000, 10_000],
      series: [
        { name: "14 + 4 for 250 findings", style: "bound", points: sizes.map((n) => [n, 14 + 4 * Math.ceil(n / 250)]) },
        ...both(({ requests }) => requests),
        hook(HOOK.requests),
      ],
    },
    {
      title: "Time at DefectDojo's measured pace",
      unit: "seconds",
      scale: "log",
      range: [5, 5_000],
      ticks: [10, 100, 1_000],
      series: [
        { name: "DefectDojo alone", style: "floor", points: of(false, floor) },
        { name: "DefectDojo alone", style: "floor", points: of(true, floor) },
        ...both(seconds),
        hook(HOOK.seconds),
      ],
    },
    {
      title: "Peak memory of the importer",
      unit: "MiB resident",
      scale: "linear",
      range: [0, 250],
      ticks: [0, 50, 100, 150, 200, 250],
      series: [
        { name: "200 MiB", style: "bound", points: [1_000, 100_000].map((n) => [n, 200]) },
        ...both(({ peakRssMiB }) => peakRssMiB),
        hook([HOOK.rssMiB]),
      ],
    },
  ];
  const drawn = panels.map((panel, index) => `<g transform="translate(${index * WIDTH} 0)">${drawPanel(panel)}</g>`);
  const [width, height] = [WIDTH * panels.length, HEIGHT + 30];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Requests, time and memory of an import over the number of findings">
<style>${STYLE}
</style>
${drawn.join("\n")}
${legend(width)}
</svg>
`;
}

function drawPanel({ title, unit, scale, range, ticks, series }: Panel): string {
  const x = (value: number) => between(FINDINGS, value, "log", LEFT, WIDTH - RIGHT);
  const y = (value: number) => between(range, value, scale, HEIGHT - BOTTOM, TOP);
  const parts = [`<text class="title" x="${LEFT}" y="20">${title}</text>`];
  parts.push(`<text class="small" x="${LEFT}" y="37">${unit}</text>`);
  for (const tick of ticks) {
    parts.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}"/>`);
    parts.push(
      `<text class="small" x="${LEFT - 8}" y="${y(tick) + 4}" text-anchor="end">${tick.toLocaleString("en")}</text>`,
    );
  }
  for (const tick of [1_000, 10_000, 100_000]) {
    parts.push(
      `<line class="axis" x1="${x(tick)}" x2="${x(tick)}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM + 5}"/>`,
    );
    parts.push(
      `<text class="small" x="${x(tick)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${tick.toLocaleString("en")}</text>`,
    );
  }
  parts.push(`<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`);
  parts.push(
    `<text class="small" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">findings in the scan</text>`,
  );
  for (const { style, points } of series) {
    const line = points.map(([n, value], index) => `${index === 0 ? "M" : "L"}${x(n)} ${y(value)}`).join("");
    if (style !== "hook" && points.length > 1) parts.push(`<path class="${style}" d="${line}"/>`);
    if (style === "none" || style === "all")
      for (const [n, value] of points) parts.push(`<circle class="${style}" cx="${x(n)}" cy="${y(value)}" r="3.5"/>`);
    if (style === "hook") for (const [n, value] of points) parts.push(cross(x(n), y(value)));
  }
  return parts.join("\n");
}

function legend(width: number): string {
  const items: (readonly [style: Series["style"], name: string, width: number])[] = [
    ["none", "no duplicates", 160],
    ["all", "all duplicates", 160],
    ["floor", "DefectDojo alone (bare calls)", 250],
    ["bound", "bound", 110],
    ["hook", "reference hook, 1,000 findings", 250],
  ];
  const y = HEIGHT + 16;
  let x = (width - items.reduce((sum, [, , wide]) => sum + wide, 0)) / 2;
  return items
    .map(([style, name, wide]) => {
      const at = x;
      x += wide;
      const mark = style === "hook" ? cross(at + 14, y) : `<path class="${style}" d="M${at} ${y}h28"/>`;
      return `${mark}<text class="small" x="${at + 36}" y="${y + 4}">${name}</text>`;
    })
    .join("\n");
}

const cross = (x: number, y: number) => `<path class="hook" d="M${x - 5} ${y - 5}l10 10m0 -10l-10 10"/>`;

function between(
  [low, high]: readonly [number, number],
  value: number,
  scale: Panel["scale"],
  from: number,
  to: number,
) {
  const on = scale === "log" ? Math.log : (plain: number) => plain;
  const place = from + ((on(value) - on(low)) / (on(high) - on(low))) * (to - from);
  return Math.round(place * 10) / 10;
}
