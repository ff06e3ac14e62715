import { InvalidArgumentError } from "commander";
import { redact, redactAll } from "../lib/util/secrets.ts";
import { parseDuration } from "./terminal/durations.ts";
import { printable, printableJson } from "./terminal/printable.ts";

/** For `--rate`. */
export function parseRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0) || !Number.isFinite(rate)) throw new InvalidArgumentError("It must be a number above 0, per second.");
  return rate;
}

/** For `--since`: a day, a time, or how long ago. */
export function parseSince(text: string): Date {
  const ago = parseDuration(text);
  const date = ago === undefined ? new Date(text) : new Date(Date.now() - ago);
  if (Number.isNaN(date.getTime()) || (ago === undefined && !/^\d{4}-\d\d-\d\d/.test(text))) {
    throw new InvalidArgumentError("It must be a date (2026-11-24, 2026-11-24T12:00:00Z) or an age (30m, 12h, 7d).");
  }
  return date;
}

/** Prints a command's result on stdout. */
export function print(answer: unknown, json: boolean | undefined, text: () => string): void {
  process.stdout.write(`${json ? printableJson(redactAll(answer), 1) : printable(redact(text()))}\n`);
}
