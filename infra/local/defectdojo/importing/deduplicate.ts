import type { Finding, Place, Test } from "../model.ts";
import { findingsOfProduct, type State } from "../state.ts";
import { matchingOf } from "../test-types.ts";
import { placesOf } from "./places.ts";

/**
 * Marks findings as duplicates of matching older ones (`dojo/finding/deduplication.py`): within the product, or
 * within the engagement if either engagement sets `deduplication_on_engagement`. Findings of one report can be duplicates of each
 * other. The original is never itself a duplicate.
 * @returns how many were marked
 */
export function deduplicate(state: State, test: Test, findings: readonly Finding[]): number {
  if (state.systemSettings.enable_deduplication !== true || findings.length === 0) return 0;
  const matching = matchingOf(state.testTypes.get(test.test_type)?.name ?? "", test.scan_type);
  const candidates = candidatesFor(state, test);
  let marked = 0;
  for (const finding of findings) {
    const original = finding.duplicate ? undefined : originalOf(state, finding, candidates, matching.algorithm);
    if (original === undefined) continue;
    Object.assign(finding, { duplicate: true, active: false, verified: false, duplicate_finding: original.id });
    if (!original.found_by.includes(test.test_type)) original.found_by.push(test.test_type);
    marked++;
  }
  return marked;
}

type Candidates = { byHash: Map<string, Finding[]>; byToolId: Map<string, Finding[]> };

function candidatesFor(state: State, test: Test): Candidates {
  const engagement = state.engagements.get(test.engagement);
  const inScope = findingsOfProduct(state, engagement?.product ?? 0).filter((finding) => {
    if (finding.test.engagement === test.engagement) return true;
    const keepsToItself = state.engagements.get(finding.test.engagement)?.deduplication_on_engagement === true;
    return engagement?.deduplication_on_engagement === false && !keepsToItself;
  });
  inScope.sort((a, b) => a.id - b.id);
  const candidates: Candidates = { byHash: new Map(), byToolId: new Map() };
  for (const finding of inScope) {
    push(candidates.byHash, finding.hash_code, finding);
    const sameType = finding.test.test_type === test.test_type;
    if (sameType && finding.unique_id_from_tool !== null)
      push(candidates.byToolId, finding.unique_id_from_tool, finding);
  }
  return candidates;
}

function originalOf(state: State, finding: Finding, candidates: Candidates, algorithm: string): Finding | undefined {
  const alike = [...(candidates.byHash.get(finding.hash_code) ?? [])];
  if (algorithm === "unique_id_from_tool_or_hash_code" && finding.unique_id_from_tool !== null) {
    alike.push(...(candidates.byToolId.get(finding.unique_id_from_tool) ?? []));
    alike.sort((a, b) => a.id - b.id);
  }
  for (const candidate of alike) {
    if (candidate.id >= finding.id) return undefined;
    if (candidate.duplicate || isClosed(candidate)) continue;
    if (algorithm === "legacy" ? legacyMatch(state, finding, candidate) : samePlace(state, finding, candidate)) {
      return candidate;
    }
  }
  return undefined;
}

/** A finding that reappears after it was fixed is not a duplicate. */
function isClosed(finding: Finding): boolean {
  return !finding.active && finding.is_mitigated && !finding.out_of_scope && !finding.false_p;
}

/** `DEDUPE_ALGO_ENDPOINT_FIELDS`: one shared host and path suffices, or none on either side. */
function samePlace(state: State, a: Finding, b: Finding): boolean {
  const [places, others] = [placesOf(state, a), placesOf(state, b)];
  if (places.length === 0 && others.length === 0) return true;
  return places.some((p) => others.some((o) => p.host === o.host && p.path === o.path));
}

/** Legacy matching: the new finding has every location of the original, or both are at the same line of the same file. */
function legacyMatch(state: State, finding: Finding, candidate: Finding): boolean {
  const [places, others] = [placesOf(state, finding), placesOf(state, candidate)];
  if (places.length > 0 && others.length > 0) {
    const known = new Set(places.map(wholePlace));
    return others.every((place) => known.has(wholePlace(place)));
  }
  const { file_path: file, line } = finding;
  return (
    finding.static_finding && file !== null && file !== "" && candidate.file_path === file && candidate.line === line
  );
}

function wholePlace(place: Omit<Place, "userinfo">): string {
  return JSON.stringify([place.protocol, place.host, place.port, place.path, place.query, place.fragment]);
}

function push<K>(map: Map<K, Finding[]>, key: K, finding: Finding): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [finding]);
  else list.push(finding);
}
