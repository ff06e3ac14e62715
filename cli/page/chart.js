// @ts-check
// A product's moments as lines, by uPlot.
import { element } from "./dom.js";
import { axisName, momentSeconds } from "./moments.js";
import { LINES } from "./words.js";

/** @typedef {import("../runtime/history/scan-index.ts").Moment} Moment */
/** @typedef {import("uplot").Options} Options */

const HEIGHT = 220;

/**
 * @param {HTMLElement} canvas what it is drawn in
 * @param {readonly Moment[]} moments one at least
 * @param {(index: number | null | undefined) => void} tell which moment is pointed at
 * @returns {Promise<{ destroy(): void }>}
 */
export async function drawChart(canvas, moments, tell) {
  const { default: uPlot } = await import("uplot");
  // Moments are hours, days and months of UTC, and so is the axis.
  const tzDate = (/** @type {number} */ seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC");
  const unit = moments[0]?.at.length ?? 0;
  const plot = new uPlot({ ...options(canvas, tell, unit), tzDate }, series(moments), canvas);
  const watcher = new ResizeObserver(() => plot.setSize({ width: canvas.clientWidth, height: HEIGHT }));
  watcher.observe(canvas);
  return {
    destroy: () => {
      watcher.disconnect();
      plot.destroy();
    },
  };
}

/**
 * @param {readonly Moment[]} moments
 * @returns {[number[], ...number[][]]}
 */
const series = (moments) => [
  moments.map(momentSeconds),
  ...LINES.map(([name]) => moments.map((moment) => moment[name])),
];

/**
 * @param {HTMLElement} canvas
 * @param {(index: number | null | undefined) => void} tell
 * @param {number} unit characters of a moment's name
 * @returns {Options}
 */
function options(canvas, tell, unit) {
  const soft = colourOf(canvas, "--soft");
  const axis = { stroke: soft, grid: { stroke: colourOf(canvas, "--line"), width: 1 }, ticks: { show: false } };
  return {
    width: canvas.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      // A day around a moment that stands alone.
      x: {
        range: (_plot, least, most) => (least === most ? [least - 43_200, most + 43_200] : [least, most]),
      },
      y: {
        range: (_plot, _least, most) => [0, Math.max(4, most * 1.1)],
      },
    },
    axes: [
      {
        ...axis,
        space: 70,
        values: (_plot, marks) => marks.map((seconds) => axisName(seconds, unit)),
      },
      {
        ...axis,
        size: 46,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000],
      },
    ],
    series: [
      {},
      ...LINES.map(([, label, colour]) => ({
        label,
        stroke: colourOf(canvas, colour),
        width: 2,
        points: { show: true, size: 5, fill: colourOf(canvas, colour) },
      })),
    ],
    hooks: { setCursor: [(plot) => tell(plot.cursor.idx)] },
  };
}

/**
 * A colour of the page as a canvas takes it.
 * @param {HTMLElement} inside
 * @param {string} property
 */
function colourOf(inside, property) {
  const probe = element("i", { hidden: true });
  probe.style.color = `var(${property})`;
  inside.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
