import { findingsSuffix, folderOf, isFindingsName, nameOf, type ObjectRef, uri } from "../model/object-keys.ts";
import type { Observer } from "../observe.ts";
import type { Storage } from "../ports/storage.ts";

/** Prefixes that were warned of, by the store that they are in: a process warns once of each. */
const warned = new WeakMap<object, Set<string>>();
/** Raw results of secureCodeBox's scanners that end like findings (`extractResults.location` of its scan types). */
const RAW_RESULTS: readonly string[] = ["git-repo-scanner-findings.json"];
/** Prefixes that are remembered; beyond, nothing more is warned of, only counted. */
const MOST_PREFIXES = 1_000;

/**
 * Tells of an object that passes the notification's suffix and has not the name of findings: flat keys (`x-findings.json`) where FINDINGS_NAME is no
 * pattern. Warned of once a prefix, counted each time.
 * @returns false for any other object
 */
export function tellUnrecognised(
  created: ObjectRef,
  { log, metrics, storage }: Pick<Observer, "log" | "metrics"> & { readonly storage: Storage },
  findingsName: string,
): boolean {
  if (!looksLikeFindings(findingsName, nameOf(created.key))) return false;
  metrics.add("FindingsUnrecognised");
  const prefix = folderOf(created.key);
  const seen = warned.get(storage) ?? new Set<string>();
  warned.set(storage, seen);
  if (seen.has(prefix) || seen.size >= MOST_PREFIXES) return true;
  seen.add(prefix);
  log.warn("an object ends like findings, but has another name than FINDINGS_NAME: it is not imported", {
    object: uri(created),
    findingsName,
    prefix,
    remedy: "set FINDINGS_NAME to a pattern, such as *-findings.json, where keys are flat",
  });
  return true;
}

/** A name that passes the notification's suffix: what `doctor` looks for in the bucket, too. */
export function looksLikeFindings(findingsName: string, name: string): boolean {
  const own = isFindingsName(findingsName, name) || RAW_RESULTS.includes(name) || /\.original(\.[^.]*)?$/.test(name);
  return !own && name.includes("findings") && name.endsWith(findingsSuffix(findingsName));
}
