import { readFile } from "node:fs/promises";
import { importError } from "../http.ts";
import type { UploadedFile } from "../multipart.ts";

/** Parses a JSON report. Invalid JSON is a 400 with the message of Python's json module. */
export async function readJson(file: UploadedFile): Promise<unknown> {
  return parseJson((await readFile(file.path)).toString("utf8"));
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch (error) {
    throw importError(jsonComplaint(text, error));
  }
}

/** Python names the position; Node does so only in some of its messages. */
function jsonComplaint(text: string, error: unknown): string {
  const position = Number(/position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1] ?? 0);
  const before = text.slice(0, position).split("\n");
  return `Expecting value: line ${before.length} column ${(before.at(-1)?.length ?? 0) + 1} (char ${position})`;
}

export async function readText(file: UploadedFile): Promise<string> {
  return (await readFile(file.path)).toString("utf8");
}

/** A value as an object; DefectDojo's parsers crash on anything else, which is a 500. */
export function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("not an object");
  return value as Record<string, unknown>;
}

export function array(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError("not a list");
  return value;
}

/** A list, empty if missing or null. */
export function optionalArray(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : array(value);
}

export function string(value: unknown, fallback = ""): string {
  return value === undefined || value === null ? fallback : String(value);
}

export function stringOrNull(value: unknown): string | null {
  return value === undefined || value === null ? null : String(value);
}
