import { formatDuration } from "../terminal/durations.ts";
import { printableLine } from "../terminal/printable.ts";
import type { DeadLetter } from "./dead-letter.ts";

/** A line of the table. */
export function toRow(letter: DeadLetter, now: number) {
  const { id, reason, failedAt, attempts, scan, error } = letter;
  return {
    id,
    reason,
    age: formatDuration(now - failedAt.getTime()),
    tries: attempts,
    scan,
    error: error.length > 60 ? `${error.slice(0, 59)}…` : error,
  };
}

/** The full record, for `--json`. */
export function toJson(letter: DeadLetter, now: number) {
  const { id, reason, errorClass, advice, error, scan, findings, product, attempts, failedAt, group, body, job } =
    letter;
  return {
    ...{ id, reason, errorClass, error, advice, scan, findings, product, attempts },
    failedAt: failedAt.toISOString(),
    ageSeconds: Math.max(0, Math.round((now - failedAt.getTime()) / 1000)),
    group,
    ...(job === undefined ? { body } : { job }),
  };
}

/** The full record, for people. */
export function describe(letter: DeadLetter, now: number): string {
  const { body, job } = letter;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ["id", letter.id],
    ["scan", letter.scan],
    ["findings", letter.findings],
    ["product", letter.product],
    ["reason", `${letter.reason} (${letter.errorClass})`],
    ["error", letter.error],
    ["advice", letter.advice],
    ["tries", String(letter.attempts)],
    ["failed", `${letter.failedAt.toISOString()} (${formatDuration(now - letter.failedAt.getTime())} ago)`],
    ["group", letter.group],
  ];
  const shown = lines.flatMap(([name, value]) => (value ? [`${name.padEnd(9)} ${printableLine(value)}`] : []));
  return `${shown.join("\n")}\n\n${job === undefined ? body : JSON.stringify(job, undefined, 1)}`;
}
