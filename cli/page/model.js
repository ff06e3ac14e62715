// @ts-check
// Pure: which scans are shown, in which order, and how the address tells.

/** @typedef {import("../runtime/seen-scan.ts").SeenScan} SeenScan */
/** @typedef {{ text: string, product: string, type: string, state: string, from: string, to: string }} Filter */

/** @type {Readonly<Filter>} */
export const NO_FILTER = Object.freeze({ text: "", product: "", type: "", state: "", from: "", to: "" });

/**
 * What the address asks for: a scan's details, or the list with a filter.
 * @param {string} hash
 * @returns {{ scan: string | undefined, filter: Filter }}
 */
export function readHash(hash) {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const filter = Object.fromEntries(Object.keys(NO_FILTER).map((name) => [name, asked.get(name) ?? ""]));
  return { scan: asked.get("scan") || undefined, filter: /** @type {Filter} */ (filter) };
}

/**
 * The address of the list with this filter.
 * @param {Filter} filter
 */
export function filterHash(filter) {
  const asked = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ""));
  return `#${asked}`;
}

/**
 * The address of a scan's details.
 * @param {string} id
 */
export const scanHash = (id) => `#${new URLSearchParams({ scan: id })}`;

/**
 * The first moment of the day where the reader is, or of the one after, as ISO 8601; nothing for no date.
 * @param {string} date `2026-11-28`
 * @param {number} [days] later
 */
export function dayStart(date, days = 0) {
  const [year, month, day] = date.split("-").map(Number);
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const start = new Date(year, month - 1, day + days);
  return Number.isNaN(start.getTime()) ? undefined : start.toISOString();
}

/**
 * Whether a scan is among those that are wanted, as the service decides it of older ones.
 * @param {SeenScan} scan
 * @param {Filter} filter
 */
export function matches(scan, { text, product, type, state, from, to }) {
  const words = [scan.scan, scan.scanType, scan.product, scan.id].join("\n").toLowerCase();
  const [first, tooLate] = [dayStart(from), dayStart(to, 1)];
  return (
    words.includes(text.trim().toLowerCase()) &&
    (product === "" || scan.product === product) &&
    (type === "" || scan.scanType === type) &&
    (state === "" || scan.state === state) &&
    (first === undefined || scan.at >= first) &&
    (tooLate === undefined || scan.at < tooLate)
  );
}

/**
 * What to ask the service's history for; undefined where it has nothing of that state.
 * @param {Filter} filter
 * @param {{ at: string, key: string } | undefined} [behind] where the last page ended
 */
export function historyQuery({ text, product, type, state, from, to }, behind) {
  if (state !== "" && state !== "done") return undefined;
  const asked = { text: text.trim(), product, type, from: dayStart(from), to: dayStart(to, 1), ...behind };
  const given = Object.entries(asked).filter((pair) => pair[1] !== undefined && pair[1] !== "");
  return new URLSearchParams(/** @type {[string, string][]} */ (given));
}

/**
 * The scans to show, the newest first, each once: what passed by says more than the history, unless it is older.
 * @param {Iterable<SeenScan>} live
 * @param {Iterable<SeenScan>} older
 * @param {Filter} filter
 */
export function shownScans(live, older, filter) {
  /** @type {Map<string, SeenScan>} */
  const byId = new Map();
  for (const scan of older) byId.set(scan.id, scan);
  for (const scan of live) {
    const known = byId.get(scan.id);
    if (known === undefined || known.at <= scan.at) byId.set(scan.id, scan);
  }
  return [...byId.values()]
    .filter((scan) => matches(scan, filter))
    .sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? 1 : -1));
}

/**
 * How many scans there are of each state. Finished ones are in the history, which live ones have joined by then.
 * @param {Iterable<SeenScan>} live
 * @param {number} finished
 */
export function totals(live, finished) {
  /** @type {Record<string, number>} */
  const counts = { done: finished };
  for (const { state } of live) if (state !== "done") counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
