// @ts-check
// A product over time.
import { ask } from "./api.js";
import { drawChart } from "./chart.js";
import { byId, element, table } from "./dom.js";
import { number } from "./format.js";
import { momentName } from "./moments.js";
import { LINES } from "./words.js";

/** @typedef {import("../runtime/history/scan-index.ts").Moment} Moment */

/** What is drawn, to be taken away. @type {{ destroy(): void } | undefined} */
let drawn;
let asked = "";

/**
 * Shows the product's plot above the list; nothing for no product.
 * @param {string} product
 */
export async function showPlot(product) {
  asked = product;
  const section = byId("plot");
  if (product === "") {
    drawn?.destroy();
    drawn = undefined;
    section.hidden = true;
    return;
  }
  try {
    const { moments } = await ask("moments", new URLSearchParams({ product }));
    if (asked !== product) return;
    drawn?.destroy();
    drawn = undefined;
    section.hidden = moments.length === 0;
    if (moments.length > 0) await draw(section, product, moments);
  } catch {
    section.hidden = true;
  }
}

/**
 * @param {HTMLElement} section
 * @param {string} product
 * @param {readonly Moment[]} moments
 */
async function draw(section, product, moments) {
  const canvas = element("div", { className: "canvas", role: "img", ariaLabel: summary(product, moments) });
  const told = element("p", { className: "soft" });
  const legend = LINES.map(([, label, colour]) => {
    const item = element("li", {}, element("i", {}), label);
    item.style.setProperty("--line-colour", `var(${colour})`);
    return item;
  });
  section.replaceChildren(
    element("h2", { id: "plot-title" }, product),
    element("ul", { className: "legend" }, ...legend),
    canvas,
    told,
    element("details", {}, element("summary", {}, "The same in numbers"), numbers(moments)),
  );
  const tell = (/** @type {number | null | undefined} */ index) => {
    const moment = moments[index ?? moments.length - 1];
    if (moment !== undefined) told.textContent = sentence(moment);
  };
  drawn = await drawChart(canvas, moments, tell);
  tell(undefined);
}

/** @param {Moment} moment */
const sentence = (moment) =>
  `${momentName(moment)}: ${LINES.map(([name, label]) => `${number(moment[name])} ${label.toLowerCase()}`).join(", ")}`;

/**
 * @param {string} product
 * @param {readonly Moment[]} moments
 */
function summary(product, moments) {
  const last = moments.at(-1);
  return `Plot of the findings of ${product} over time${last === undefined ? "" : `; at the end, ${sentence(last)}`}`;
}

/** @param {readonly Moment[]} moments */
const numbers = (moments) =>
  table(
    "Findings of the scans that were imported at a time",
    ["Time (UTC)", "Scans", ...LINES.map(([, label]) => label)],
    moments.toReversed().map((moment) => [momentName(moment), moment.scans, ...LINES.map(([name]) => moment[name])]),
  );
