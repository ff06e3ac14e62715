// @ts-check
// A scan's details: what was imported, what DefectDojo made of it, and its findings.
import { actionButton } from "./actions.js";
import { ask } from "./api.js";
import { byId, element, link, table } from "./dom.js";
import { prepareFindings } from "./findings.js";
import { findingUrl, number, one, safeUrl, verdict } from "./format.js";
import { comparison, facts } from "./receipt-words.js";
import { changeWords, countNames } from "./words.js";

/** @typedef {import("../../lib/model/receipt.ts").Receipt} Receipt */
/** @typedef {{ scan: import("../runtime/seen-scan.ts").SeenScan, receipt: Receipt, imported?: string }} Details */

/** Counts that are shown where there are none too. */
const MAIN = new Set(["new", "duplicates", "falsePositives", "mitigated"]);

/** What is shown, so that a scan that changes keeps its search. */
let shown = "";

export function hideDetails() {
  shown = "";
  byId("details").hidden = true;
}

/** @param {string} id */
export async function showDetails(id) {
  const again = shown === id;
  shown = id;
  const box = byId("details");
  box.hidden = false;
  if (!again) box.replaceChildren(back(), element("p", { className: "soft" }, "reading…"));
  try {
    const details = await ask("scan", new URLSearchParams({ id }));
    if (shown !== id) return;
    const findings = prepareFindings(id, again ? box.querySelector("form") : null);
    const typingIn = again ? document.activeElement?.closest("#details form [name]")?.getAttribute("name") : undefined;
    document.title = `${details.scan.scan} · dojo-relay`;
    box.replaceChildren(back(), ...heading(details), ...body(details, findings.choose), findings.section);
    if (!again) box.querySelector("h2")?.focus();
    // Whoever was typing goes on.
    if (typingIn) /** @type {HTMLElement | null} */ (box.querySelector(`[name="${typingIn}"]`))?.focus();
    await findings.load();
  } catch (error) {
    if (shown !== id) return;
    const why = error instanceof Error ? error.message : String(error);
    box.replaceChildren(
      back(),
      element("p", { className: "trouble", role: "alert" }, `The scan cannot be shown. ${why}`),
    );
  }
}

function back() {
  const made = element("a", { href: "#all", className: "back" }, "← All scans");
  made.addEventListener("click", (event) => {
    // Where the list was looked at before, its filter comes back.
    if (history.length < 2) return;
    event.preventDefault();
    history.back();
  });
  return made;
}

/** @param {Details} details */
function heading({ scan, receipt, imported }) {
  const url = safeUrl(receipt.test.url);
  const open =
    url === undefined
      ? undefined
      : element("a", { href: url, rel: "noreferrer", className: "button" }, "Open the test in DefectDojo");
  const items = facts(receipt, imported).map(([name, text, href]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, link(safeUrl(href), text))),
  );
  return [
    element("h2", { tabIndex: -1 }, scan.scan),
    element(
      "div",
      { className: "buttons" },
      ...(open === undefined ? [] : [open]),
      ...(receipt.outcome === "outdated" ? [] : [actionButton("resync", scan)]),
    ),
    element("dl", { className: "facts" }, ...items),
  ];
}

/**
 * @param {Details} details
 * @param {(state: string) => void} choose
 */
function body({ scan, receipt }, choose) {
  /** @type {Readonly<Record<string, number>>} */
  const counts = scan.counts ?? {};
  const tiles = countNames().flatMap(([name, label]) => {
    const count = counts[name] ?? 0;
    if (count === 0 && !MAIN.has(name)) return [];
    const button = element(
      "button",
      { type: "button", className: `total ${name}` },
      element("b", {}, number(count)),
      ` ${count === 1 ? one(label) : label}`,
    );
    button.addEventListener("click", () => choose(name));
    return [element("li", {}, button)];
  });
  const notes = [
    receipt.outcome === "outdated" ? scan.why : undefined,
    receipt.fellBack === undefined ? undefined : `Imported as ${receipt.importedAs}: ${receipt.fellBack}`,
    ...receipt.warnings,
  ];
  return [
    element("ul", { className: "totals", ariaLabel: "Findings by verdict" }, ...tiles),
    ...list(
      "What to know",
      notes.filter((note) => note !== undefined),
      "notes",
    ),
    ...kept(receipt),
    ...changes(receipt),
    ...list(
      `Repaired for DefectDojo's import (${shownOf(receipt.repairs.length, receipt.repairCount)})`,
      receipt.repairs,
    ),
  ];
}

/**
 * @param {string} title
 * @param {readonly string[]} items
 * @param {string} [className]
 */
function list(title, items, className = "") {
  if (items.length === 0) return [];
  return [element("h3", {}, title), element("ul", { className }, ...items.map((item) => element("li", {}, item)))];
}

/** @param {Receipt} receipt */
function kept(receipt) {
  if (receipt.outcome === "outdated") return [];
  const { rows, sentence } = comparison(receipt);
  const columns = ["Severity", "Uploaded", "In DefectDojo", "Missing"];
  return [
    element("h3", {}, "Uploaded and kept"),
    ...(rows.length === 0
      ? []
      : [table("Findings that were uploaded and that DefectDojo keeps, by severity", columns, rows)]),
    element("p", {}, sentence),
  ];
}

/** @param {Receipt} receipt */
function changes({ changed, changedCount = 0, test }) {
  if (changed === undefined || changed.length === 0) return [];
  const rows = changed.map(({ findingId, from, to, by }) => [
    link(findingUrl(test.url, findingId), `finding ${findingId}`),
    verdict(from, changeWords()),
    verdict(to, changeWords()),
    by === undefined ? "not told" : `user ${by}`,
  ]);
  const title = `Verdicts that changed at the last sync (${shownOf(changed.length, changedCount)})`;
  return [element("h3", {}, title), table("Verdicts that changed", ["Finding", "Before", "Now", "By"], rows)];
}

/**
 * @param {number} shownCount
 * @param {number} count
 */
const shownOf = (shownCount, count) =>
  shownCount < count ? `${number(shownCount)} of ${number(count)}` : number(count);
