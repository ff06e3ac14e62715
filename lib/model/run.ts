import { sha256 } from "../util/digest.ts";
import type { Scan } from "./scan.ts";

/**
 * What distinguishes one execution of a Scan from another in the same folder: its uid, else its creation or finish time.
 * @returns 32 hexadecimal digits, fit for object metadata; undefined if the Scan has none of these
 */
export function runOf({ uid, createdAt, finishedAt }: Scan): string | undefined {
  const name = uid || createdAt || finishedAt;
  return name === undefined ? undefined : sha256(name).slice(0, 32);
}

/**
 * Whether something at time `at` can belong to this run: nothing happens for a scan before its creation.
 * @param at ISO 8601
 * @returns false if one of the two times is unknown
 */
export function canBeOfRun({ createdAt, finishedAt }: Scan, at: string | undefined): boolean {
  const begun = createdAt ?? finishedAt;
  return begun !== undefined && at !== undefined && Date.parse(at) >= Date.parse(begun);
}
