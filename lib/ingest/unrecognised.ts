import { findingsSuffix, folderOf, isFindingsName, nameOf, type ObjectRef, uri } from "../model/object-keys.ts";
import type { Observer } from "../observe.ts";
import type { Storage } from "../ports/storage.ts";

/** Prefixes with a warning, by store: a process warns once of each. */
const warned = new WeakMap<object, Set<string>>();
/** Raw results of secureCodeBox's scanners that end like findings (`extractResults.location` of its scan types). */
const RAW_RESULTS: readonly string[] = ["git-repo-scanner-findings.json"];
/** The most prefixes to remember; further ones are only counted. */
const MOST_PREFIXES = 1_000;

/**
 * Reports an object that passes the notification's suffix without having the name of findings: flat keys (`x-findings.json`) if FINDINGS_NAME is not a
 * pattern. Warns once per prefix, counts each time.
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
  log.warn("an object's name ends like findings but does not match FINDINGS_NAME: it is not imported", {
    object: uri(created),
    findingsName,
    prefix,
    remedy: "if keys are flat, set FINDINGS_NAME to a pattern such as *-findings.json",
  });
  return true;
}

/** A name that passes the notification's suffix; `doctor` looks for such names in the bucket, too. */
export function looksLikeFindings(findingsName: string, name: string): boolean {
  const own = isFindingsName(findingsName, name) || RAW_RESULTS.includes(name) || /\.original(\.[^.]*)?$/.test(name);
  return !own && name.includes("findings") && name.endsWith(findingsSuffix(findingsName));
}
