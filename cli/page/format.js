// @ts-check
// Pure: numbers, times and words for people.

const WHEN = /** @type {const} */ ({
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

/**
 * A time with its date and zone, as in "28 Nov 2026, 01:04:09 GMT+1".
 * @param {string} iso
 * @param {string} [timeZone] the reader's own where it is left out
 */
export function when(iso, timeZone) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "at an unknown time";
  return new Intl.DateTimeFormat("en-GB", { ...WHEN, ...(timeZone === undefined ? {} : { timeZone }) }).format(time);
}

/** @param {number} value */
export const number = (value) => new Intl.NumberFormat("en").format(value);

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/**
 * Where a page stands among the findings that match.
 * @param {{ offset: number, shown: number, total: number, onlyFirst?: number | undefined }} place
 */
export function findingsPlace({ offset, shown, total, onlyFirst }) {
  const place = total === 0 ? "No finding" : `${number(offset + 1)} to ${number(offset + shown)} of ${number(total)}`;
  if (onlyFirst === undefined) return total === 0 ? `${place}.` : place;
  return `${place}. Only the first ${number(onlyFirst)} findings can be searched here; findings.json has them all.`;
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return `${minutes} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

/**
 * The words of a verdict, as a receipt has them, for people.
 * @param {readonly string[]} words
 * @param {Readonly<Record<string, string>>} names
 */
export const verdict = (words, names) =>
  words.length === 0 ? "not there" : words.map((word) => one(nameOf(names, word.toLowerCase(), word))).join(", ");

/**
 * The name of a word that may be anybody's.
 * @param {Readonly<Record<string, string>>} names
 * @param {string} otherwise
 * @param {string} word
 */
export const nameOf = (names, otherwise, word) => (Object.hasOwn(names, word) ? (names[word] ?? otherwise) : otherwise);

/**
 * A label of several, for one of them.
 * @param {string} label
 */
export const one = (label) => label.replace(/s$/, "");

/**
 * An address that a link may lead to: DefectDojo's are http and https, and a receipt may say anything.
 * @param {string | undefined} text
 */
export const safeUrl = (text) => (text !== undefined && /^https?:\/\//i.test(text) ? text : undefined);

/**
 * Where DefectDojo shows a finding of the test.
 * @param {string} testUrl
 * @param {number} findingId
 */
export const findingUrl = (testUrl, findingId) => safeUrl(testUrl.replace(/\/test\/\d+\/?$/, `/finding/${findingId}`));
