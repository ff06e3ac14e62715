// @ts-check
// What things are called on the page: one row each.

/** A scan's state, in the order in which it is passed through. */
export const STATES = /** @type {const} */ ({
  waiting: "waiting",
  running: "running",
  again: "tried again",
  done: "done",
  superseded: "superseded",
  failed: "failed",
});

/** Severities of secureCodeBox, as a receipt names them, with their letter. */
export const SEVERITIES = /** @type {const} */ ({
  high: ["High", "H"],
  medium: ["Medium", "M"],
  low: ["Low", "L"],
  informational: ["Informational", "I"],
});

/** What is told of a finding besides DefectDojo's verdicts. */
const OTHERS = /** @type {const} */ ({
  new: "new",
  unmatched: "not in DefectDojo",
  "parser-dropped": "dropped by its parser",
  "below-minimum-severity": "below the minimum severity",
  ambiguous: "match unclear",
});

/** Verdicts, as the service names them: it has the one table. @type {{ count: string, word: string, label: string }[]} */
let verdicts = [];

/** @param {typeof verdicts} table */
export function learnVerdicts(table) {
  verdicts = table;
}

/** What findings are counted as, in this order: the count's name and its label. @returns {[string, string][]} */
export const countNames = () => [
  ["new", OTHERS.new],
  ...verdicts.map(({ count, label }) => /** @type {[string, string]} */ ([count, label])),
];

/** What a finding may be, by the word for it. @returns {Record<string, string>} */
export const findingStates = () => ({ ...Object.fromEntries(countNames()), ...OTHERS });

/** Words of a changed verdict. @returns {Record<string, string>} */
export const changeWords = () => Object.fromEntries(verdicts.map(({ word, label }) => [word, label]));

/** The lines of a product's plot: the moment's field, its name and its colour (a custom property of page.css). */
export const LINES = /** @type {const} */ ([
  ["new", "New", "--new"],
  ["known", "Known (duplicates)", "--known"],
  ["falsePositive", "False positives", "--wrong"],
  ["closed", "Closed (mitigated)", "--closed"],
]);
