import { sha256 } from "../util/digest.ts";
import type { Scan } from "./scan.ts";

/**
 * What tells one execution of a Scan from another in the same folder: its uid, else its creation or finish time.
 * @returns 32 hexadecimal digits, fit for object metadata; undefined where the Scan says none of these
 */
export function runOf({ uid, createdAt, finishedAt }: Scan): string | undefined {
  const name = uid || createdAt || finishedAt;
  return name === undefined ? undefined : sha256(name).slice(0, 32);
}

/**
 * Whether something that happened at `at` can have been done for this run: nothing is done for a scan before it was created.
 * @param at ISO 8601
 * @returns false where one of the two times is not known
 */
export function canBeOfRun({ createdAt, finishedAt }: Scan, at: string | undefined): boolean {
  const begun = createdAt ?? finishedAt;
  return begun !== undefined && at !== undefined && Date.parse(at) >= Date.parse(begun);
}
