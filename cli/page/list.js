// @ts-check
// The list of scans: totals, filters and rows.
import { actionButton } from "./actions.js";
import { byId, cell, element, keepRoles, link } from "./dom.js";
import { counted, number, one, safeUrl, when } from "./format.js";
import { NO_FILTER, scanHash } from "./model.js";
import { countNames, SEVERITIES, STATES } from "./words.js";

/** @typedef {import("../runtime/seen-scan.ts").SeenScan} SeenScan */
/** @typedef {import("./model.js").Filter} Filter */

const COLUMNS = ["Scan", "State", "Findings", "New", "Verdicts", "When"];

/** The parts of the list that stay. */
export function prepareList() {
  const heads = COLUMNS.map((label) =>
    element("th", { scope: "col", role: "columnheader", className: label === "New" ? "number" : "" }, label),
  );
  byId("columns").replaceChildren(...heads);
  // Where there is little room, the scans come first.
  if (matchMedia("(max-width: 900px)").matches) byId("filter-box").removeAttribute("open");
  keepRoles(byId("scans").closest("table"));
  const states = Object.entries(STATES).map(([value, label]) => element("option", { value }, label));
  control("state").append(...states);
}

/**
 * A field of the filter.
 * @param {string} name
 * @returns {HTMLInputElement | HTMLSelectElement}
 */
const control = (name) =>
  /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (byId("filters")).elements.namedItem(name));

/** @returns {Filter} */
export function readFilter() {
  const names = /** @type {(keyof Filter)[]} */ (Object.keys(NO_FILTER));
  return /** @type {Filter} */ (Object.fromEntries(names.map((name) => [name, control(name).value])));
}

/**
 * Sets the fields to the filter; a choice that is not offered is added.
 * @param {Filter} filter
 */
export function writeFilter(filter) {
  for (const [name, value] of Object.entries(filter)) {
    const field = control(name);
    if (field instanceof HTMLSelectElement) offer(field, [value]);
    if (field.value !== value) field.value = value;
  }
}

/**
 * What there is to choose from.
 * @param {"product" | "type"} name
 * @param {readonly string[]} values
 */
export const offerChoices = (name, values) => offer(/** @type {HTMLSelectElement} */ (control(name)), values);

/**
 * @param {HTMLSelectElement} field
 * @param {readonly string[]} values
 */
function offer(field, values) {
  const known = new Set([...field.options].map((option) => option.value));
  field.append(...values.filter((value) => !known.has(value)).map((value) => element("option", { value }, value)));
}

/**
 * @param {Readonly<Record<string, number>>} counts
 * @param {string} chosen
 * @param {(state: string) => void} choose
 */
export function showTotals(counts, chosen, choose) {
  const items = Object.entries(STATES).flatMap(([state, label]) => {
    const count = counts[state] ?? 0;
    if (count === 0 && state !== chosen && state !== "done") return [];
    const button = element(
      "button",
      { type: "button", className: `total ${state}` },
      element("b", {}, number(count)),
      ` ${label}`,
    );
    button.setAttribute("aria-pressed", String(state === chosen));
    button.addEventListener("click", () => choose(state === chosen ? "" : state));
    return [element("li", {}, button)];
  });
  byId("totals").replaceChildren(...items);
}

/**
 * @param {readonly SeenScan[]} scans
 * @param {ReadonlySet<string>} changed those that changed since the last time
 */
export function showScans(scans, changed) {
  const rows = scans.map((scan) => {
    const row = toRow(scan);
    if (changed.has(scan.id)) row.classList.add("changed");
    return row;
  });
  const focused = document.activeElement?.closest("#scans tr")?.getAttribute("data-id");
  byId("scans").replaceChildren(...rows);
  // Whoever was at a row stays there.
  if (!focused) return;
  const row = rows.find((each) => each.dataset["id"] === focused);
  /** @type {HTMLElement} */ (row?.querySelector("a, button") ?? byId("main")).focus();
}

/** @param {SeenScan} scan */
function toRow(scan) {
  const finished = scan.counts !== undefined;
  const name = finished ? element("a", { href: scanHash(scan.id) }, scan.scan) : element("b", {}, scan.scan);
  const about = [scan.product, scan.scanType].filter((text) => text !== "").join(" · ");
  const row = element(
    "tr",
    { role: "row" },
    cell("Scan", "scan", name, element("span", { className: "soft" }, about)),
    stateCell(scan, finished),
    ...(finished ? countCells(scan) : []),
    cell("When", "when", element("time", { dateTime: scan.at }, when(scan.at))),
  );
  row.dataset["id"] = scan.id;
  return row;
}

/**
 * @param {SeenScan} scan
 * @param {boolean} finished
 */
function stateCell(scan, finished) {
  const notes = [
    scan.why,
    scan.unknownAnnotations === undefined
      ? undefined
      : `${scan.unknownAnnotations} unknown annotations (see the details)`,
    scan.advice,
  ].filter((note) => note !== undefined && note !== "");
  const made = cell(
    "State",
    "",
    element("span", { className: `state ${scan.state}` }, STATES[scan.state]),
    ...(finished && scan.importedAs
      ? [element("span", { className: "soft" }, link(safeUrl(scan.testUrl), scan.importedAs))]
      : []),
    ...notes.map((note) => element("span", { className: "why" }, note)),
  );
  if (scan.state === "failed")
    made.append(element("span", { className: "buttons" }, actionButton("redrive", scan), actionButton("drop", scan)));
  // There are no counts beside it.
  if (!finished) made.colSpan = COLUMNS.length - 2;
  return made;
}

/** @param {SeenScan} scan */
function countCells(scan) {
  const severities = Object.entries(SEVERITIES).flatMap(([name, [label, letter]]) => {
    const count = scan.severities?.[/** @type {keyof typeof SEVERITIES} */ (name)] ?? 0;
    if (count === 0) return [];
    const short = element("span", { ariaHidden: "true" }, `${letter} ${count}`);
    const whole = element("span", { className: "quiet" }, `${count} ${label} `);
    return [element("span", { className: `severity ${name}`, title: `${count} ${label}` }, short, whole)];
  });
  /** @type {Readonly<Record<string, number>>} */
  const counts = scan.counts ?? {};
  const verdicts = countNames().flatMap(([name, label]) => {
    const count = counts[name] ?? 0;
    if (count === 0 || name === "new") return [];
    return [element("span", { className: `verdict ${name}` }, counted(count, one(label), label))];
  });
  const fresh = counts["new"] ?? 0;
  return [
    cell("Findings", "severities", element("b", { className: "all" }, number(scan.findings ?? 0)), ...severities),
    cell("New", `number new${fresh === 0 ? " none" : ""}`, number(fresh)),
    cell("Verdicts", "verdicts", ...verdicts),
  ];
}
