import { InvalidArgumentError } from "commander";
import { parseDuration } from "../terminal/durations.ts";
import type { DeadLetter } from "./dead-letter.ts";

export type Selects = (letter: DeadLetter) => boolean;

const matches = (pattern: string, value: string | undefined) =>
  value !== undefined &&
  new RegExp(`^${pattern.replace(/[\\^$.|?+()[\]{}]/g, "\\$&").replaceAll("*", ".*")}$`, "is").test(value);
const age = (value: string, now: number) => {
  const duration = parseDuration(value);
  if (duration === undefined) throw new InvalidArgumentError(`${value} is not an age (30m, 12h, 7d).`);
  return now - duration;
};

/** One row per field of `--filter`: what its value selects. In text, `*` matches anything. */
const FIELDS: Readonly<Record<string, (value: string, now: number) => Selects>> = {
  // "received too often" is what people say.
  reason: (value) => (letter) => matches(value.trim().replaceAll(" ", "-"), letter.reason),
  class: (value) => (letter) => matches(value, letter.errorClass),
  scan: (value) => (letter) => matches(value, letter.scan) || matches(`*/${value}`, letter.scan),
  product: (value) => (letter) => matches(value, letter.product),
  findings: (value) => (letter) =>
    matches(value, letter.findings) || (letter.job !== undefined && matches(value, letter.job.key)),
  older: (value, now) => {
    const before = age(value, now);
    return (letter) => letter.failedAt.getTime() < before;
  },
  newer: (value, now) => {
    const after = age(value, now);
    return (letter) => letter.failedAt.getTime() >= after;
  },
};

export const FILTER_FIELDS = Object.keys(FIELDS).join(", ");

/**
 * `FIELD=VALUE[,VALUE…]`: one of the values. Given more than once: all of them.
 * @throws InvalidArgumentError for an unknown field
 */
export function parseFilter(text: string, earlier: readonly Selects[] = [], now = Date.now()): Selects[] {
  const at = text.indexOf("=");
  const [name, values] = [text.slice(0, at).trim(), text.slice(at + 1)];
  const field = at > 0 && Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (field === undefined || values.trim() === "") {
    throw new InvalidArgumentError(`It must be FIELD=VALUE[,VALUE…] with one of the fields ${FILTER_FIELDS}.`);
  }
  const any = values.split(",").map((value) => field(value.trim(), now));
  return [...earlier, (letter) => any.some((selects) => selects(letter))];
}

/** The dead letters with these ids (or a prefix), if any are given, that match all filters. */
export function selection(ids: readonly string[], filters: readonly Selects[]): Selects {
  return (letter) =>
    (ids.length === 0 || ids.some((id) => letter.id.startsWith(id))) && filters.every((selects) => selects(letter));
}
