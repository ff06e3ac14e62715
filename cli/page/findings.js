// @ts-check
// The findings of a scan: searched and paged by the service.
import { ask } from "./api.js";
import { element, link, table } from "./dom.js";
import { findingsPlace, nameOf, one, safeUrl } from "./format.js";
import { findingStates } from "./words.js";

/** @typedef {import("../runtime/history/seen-finding.ts").SeenFinding} SeenFinding */

const PAGE = 50;
const TYPING_MS = 200;
/** What says nothing: no place, and the category of all that comes from DefectDojo. */
const NO_PLACES = new Set(["", "unknown", "DefectDojo Imported Finding"]);
const LEVELS = ["HIGH", "MEDIUM", "LOW", "INFORMATIONAL"];

/**
 * The section, how to fill it, and how to choose a verdict from elsewhere.
 * @param {string} id of the scan
 * @param {HTMLFormElement | null} before whose search is taken over
 */
export function prepareFindings(id, before) {
  const form = searchForm(before === null ? undefined : new FormData(before));
  const results = element("div", {});
  const pages = element("nav", { className: "pages", ariaLabel: "Pages of findings" });
  const count = element("p", { className: "soft", role: "status" });
  const section = element(
    "section",
    { className: "findings", ariaLabel: "Findings" },
    element("h3", {}, "Findings"),
    form,
    count,
    results,
    pages,
  );
  let asking = new AbortController();
  let offset = 0;
  const load = async () => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
    try {
      const query = new URLSearchParams([["id", id], ["offset", String(offset)], ...fields]);
      const { findings, total, onlyFirst } = await ask("findings", query, signal);
      results.replaceChildren(...(total === 0 ? [] : [findingsTable(findings)]));
      const last = offset + findings.length;
      count.textContent = findingsPlace({ offset, shown: findings.length, total, onlyFirst });
      pages.replaceChildren(
        pageButton("← Previous", offset > 0, () => goTo(offset - PAGE)),
        pageButton("Next →", last < total, () => goTo(last)),
      );
    } catch (error) {
      if (signal.aborted) return;
      count.textContent = `The findings cannot be shown. ${error instanceof Error ? error.message : String(error)}`;
    }
  };
  /** @param {number} to */
  const goTo = (to) => {
    offset = Math.max(0, to);
    void load();
  };
  let typing = 0;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => goTo(0), TYPING_MS);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  /** @type {(state: string) => void} */
  const choose = (state) => {
    const field = form.elements.namedItem("state");
    if (field instanceof HTMLSelectElement) field.value = state;
    section.scrollIntoView({ block: "start" });
    goTo(0);
  };
  return { section, load, choose };
}

/**
 * @param {string} label
 * @param {boolean} enabled
 * @param {() => void} go
 */
function pageButton(label, enabled, go) {
  const button = element("button", { type: "button", disabled: !enabled }, label);
  button.addEventListener("click", go);
  return button;
}

/** @param {FormData | undefined} before */
function searchForm(before) {
  const value = (/** @type {string} */ name) => String(before?.get(name) ?? "");
  /** @type {(name: string, label: string, options: readonly (readonly [string, string])[]) => HTMLLabelElement} */
  const choice = (name, label, options) => {
    const field = element(
      "select",
      { name },
      ...[["", "all"], ...options].map(([option, text]) => element("option", { value: option ?? "" }, text)),
    );
    field.value = value(name);
    return element("label", {}, `${label} `, field);
  };
  const search = element("input", {
    name: "text",
    type: "search",
    placeholder: "name, place, category or description",
    value: value("text"),
  });
  return element(
    "form",
    { className: "filters", role: "search", ariaLabel: "Search the findings" },
    element("label", { className: "wide" }, "Search ", search),
    choice("state", "Verdict", Object.entries(findingStates())),
    choice(
      "severity",
      "Severity",
      LEVELS.map((level) => [level, level.toLowerCase()]),
    ),
  );
}

/** @param {readonly SeenFinding[]} findings */
function findingsTable(findings) {
  const names = findingStates();
  const rows = findings.map(({ name, severity, location, category, description, states, url }) => [
    element("span", { className: `severity ${severity.toLowerCase()}` }, severity.toLowerCase()),
    about(link(safeUrl(url), name), [location, category], description),
    element(
      "span",
      {},
      ...states.map((state) => element("span", { className: `verdict ${state}` }, one(nameOf(names, state, state)))),
    ),
  ]);
  return table("Findings", ["Severity", "Finding", "Verdict"], rows);
}

/**
 * @param {Node | string} name
 * @param {readonly string[]} places
 * @param {string} description
 */
function about(name, places, description) {
  const text = places.filter((place) => !NO_PLACES.has(place)).join(" · ");
  const more =
    description === ""
      ? undefined
      : element("details", {}, element("summary", {}, "Description"), element("pre", {}, description));
  return element("span", {}, element("b", {}, name), element("span", { className: "soft" }, text), more);
}
