// @ts-check
// Pure: the moments of a plot.

/** @typedef {Pick<import("../runtime/history/scan-index.ts").Moment, "at">} Moment */

/** One row a length of a moment's name: what completes it to an ISO time, and how it is written. */
const UNITS = /** @type {Readonly<Record<number, [string, Intl.DateTimeFormatOptions]>>} */ ({
  7: ["-01T00:00:00Z", { year: "numeric", month: "long" }],
  10: ["T00:00:00Z", { year: "numeric", month: "short", day: "numeric" }],
  13: [
    ":00:00Z",
    { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  ],
});

/**
 * When it begins, in seconds since the epoch.
 * @param {Moment} moment
 */
export const momentSeconds = ({ at }) => Date.parse(at + (UNITS[at.length]?.[0] ?? "")) / 1_000;

/**
 * A mark of the time axis, for moments of this length of name: an hour, a day or a month.
 * @param {number} seconds since the epoch
 * @param {number} length
 */
export function axisName(seconds, length) {
  const { year: _year, ...options } = UNITS[length]?.[1] ?? {};
  const short = length === 7 ? /** @type {const} */ ({ month: "short", year: "numeric" }) : options;
  return new Intl.DateTimeFormat("en-GB", { ...short, timeZone: "UTC" }).format(seconds * 1_000);
}

/**
 * As in "28 Nov 2026" or "28 Nov 2026, 01:00 UTC".
 * @param {Moment} moment
 */
export function momentName(moment) {
  const seconds = momentSeconds(moment);
  const options = UNITS[moment.at.length]?.[1];
  if (Number.isNaN(seconds) || options === undefined) return moment.at;
  const name = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }).format(seconds * 1_000);
  return options.hour === undefined ? name : `${name} UTC`;
}
