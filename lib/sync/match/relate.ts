import { DOJO_SEVERITIES, type DojoSeverity } from "../../model/annotations.ts";
import type { ScanFinding } from "../../report/findings-file.ts";
import { dojoSeverity } from "../../report/to-generic-finding.ts";
import { type IntList, type IntLists, intList, intLists } from "./int-list.ts";
import type { DojoFacts, MatchRow } from "./row.ts";
import { textIds } from "./text-ids.ts";

/**
 * Why a finding of the scanner has no counterpart in DefectDojo:
 * - `parser-dropped`: DefectDojo's parser drops such findings.
 * - `below-minimum-severity`: DefectDojo's parser rates it below the import's minimum severity.
 * - `missing`: none of DefectDojo's findings matches it.
 * - `ambiguous`: several match it equally well.
 */
export type UnmatchedReason = "parser-dropped" | "below-minimum-severity" | "missing" | "ambiguous";

/** Positions of DefectDojo's findings that match one of the scanner's, in order, or why there is none. */
export type Match = readonly number[] | UnmatchedReason;

/** The n-to-m relation between a scanner's findings and DefectDojo's. It holds only key numbers, so its size does not depend on the findings' size. */
export interface Relation {
  /** Adds the scanner's next finding, in the order of the file. */
  addScanner(finding: ScanFinding): void;
  /** Adds DefectDojo's next finding, in the order of its ids. */
  addDojo(finding: DojoFacts): void;
  /** One match for each finding of the scanner, in their order. Nothing is added afterwards. */
  resolve(): readonly Match[];
}

/** The reason for a finding of the scanner without a match. */
const REASONS = ["parser-dropped", "below-minimum-severity", "missing"] as const;

/** All findings of both sides as numbers: those of 100,000 findings take a few MiB. */
interface Sides {
  /** Of the scanner's findings: keys, most reliable first; hints; the reason for no match, as an index into {@link REASONS}. */
  readonly keys: IntLists;
  readonly hints: IntLists;
  readonly otherwise: IntList;
  /** Findings whose keys are their parts. */
  readonly inParts: ReadonlySet<number>;
  readonly dojoHints: IntLists;
  /** DefectDojo's findings by key. */
  readonly places: Multimap;
}

export function relate(row: MatchRow, minimumSeverity: DojoSeverity): Relation {
  const ids = textIds();
  const distinct = (texts: readonly string[]) => [...new Set(texts.map((text) => ids.of(text)))];
  const [keys, hints, dojoHints, otherwise] = [intLists(), intLists(), intLists(), intList()];
  const inParts = new Set<number>();
  const places = multimap();
  const least = DOJO_SEVERITIES.indexOf(minimumSeverity);
  const isBelow = (finding: ScanFinding) =>
    DOJO_SEVERITIES.indexOf(row.severity?.(finding) ?? dojoSeverity(finding.severity) ?? "Info") > least;

  return {
    addScanner: (finding) => {
      const asked = row.scanner(finding, keys.length);
      const reason =
        asked !== undefined && isBelow(finding)
          ? "below-minimum-severity"
          : asked === undefined || asked.maybe === true
            ? "parser-dropped"
            : "missing";
      if (asked?.parts === true) inParts.add(keys.length);
      otherwise.push(REASONS.indexOf(reason));
      keys.push(distinct(asked?.keys ?? []));
      hints.push(distinct(asked?.hints ?? []));
    },
    addDojo: (finding) => {
      const known = row.dojo(finding);
      for (const key of distinct(known.keys)) places.add(key, dojoHints.length);
      dojoHints.push(distinct(known.hints ?? []));
    },
    resolve: () => resolveAll({ keys, hints, otherwise, inParts, dojoHints, places }),
  };
}

/** Numbers by a number. */
interface Multimap {
  add(key: number, value: number): void;
  count(key: number): number;
  /** The findings of a key, in the order in which they were added. */
  of(key: number): readonly number[];
}

function multimap(): Multimap {
  /** By key: its first and last entry, and how many it has. By entry: the number, and the next entry of the key. */
  const [first, last, counts, values, next] = [intList(), intList(), intList(), intList(), intList()];
  return {
    add: (key, value) => {
      while (first.length <= key) {
        first.push(-1);
        last.push(-1);
        counts.push(0);
      }
      counts.set(key, counts.at(key) + 1);
      const entry = values.length;
      values.push(value);
      next.push(-1);
      if (first.at(key) === -1) first.set(key, entry);
      else next.set(last.at(key), entry);
      last.set(key, entry);
    },
    count: (key) => (key < counts.length ? counts.at(key) : 0),
    of: (key) => {
      const start = key < first.length ? first.at(key) : -1;
      // An array that is pushed to allocates room for 17.
      if (start !== -1 && next.at(start) === -1) return [values.at(start)];
      const found: number[] = [];
      for (let entry = start; entry !== -1; entry = next.at(entry)) found.push(values.at(entry));
      return found;
    },
  };
}

function resolveAll({ keys, hints, otherwise, inParts, dojoHints, places }: Sides): Match[] {
  /** Findings with several candidates, by their common key. */
  const groups = new Map<number, number[]>();
  const matches = Array.from({ length: keys.length }, (_, index): Match => {
    const reason = REASONS[otherwise.at(index)] ?? "missing";
    const asked = keys.at(index);
    if (inParts.has(index)) {
      const all = new Set(asked.flatMap(places.of));
      return all.size === 0 ? reason : [...all].sort((a, b) => a - b);
    }
    const key = asked.find((each) => places.count(each) > 0);
    if (key === undefined) return reason;
    if (places.count(key) === 1) return places.of(key);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
    return "ambiguous";
  });
  for (const [key, scanner] of groups) {
    const pairs = tellApart(
      scanner.map((place) => ({ place, hints: hints.at(place) })),
      places.of(key).map((place) => ({ place, hints: dojoHints.at(place) })),
    );
    for (const [index, place] of pairs) matches[index] = [place];
  }
  return matches;
}

interface Candidate {
  readonly place: number;
  readonly hints: readonly number[];
}

/**
 * Matches the findings of one key: by all their hints, then by any hint that only one candidate has. What
 * is left is identical; both sides have it in the order of the report, which decides if none is missing.
 */
function tellApart(scanner: readonly Candidate[], dojo: readonly Candidate[]): Map<number, number> {
  const pairs = new Map<number, number>();
  const taken = new Set<number>();
  const pair = (from: Candidate, to: Candidate) => {
    pairs.set(from.place, to.place);
    taken.add(to.place);
  };
  const inOrder = (from: readonly Candidate[], to: readonly Candidate[]) => {
    const [only] = to;
    if (to.length === 1 && only !== undefined) for (const each of from) pair(each, only);
    else if (from.length === to.length) for (const [n, each] of from.entries()) pair(each, to[n] ?? each);
  };
  const bySignature = Map.groupBy(dojo, signature);
  for (const [hints, alike] of Map.groupBy(scanner, signature))
    inOrder(alike, hints === "" ? [] : (bySignature.get(hints) ?? []));
  const byHint = new Map<number, Candidate[]>();
  for (const candidate of dojo) {
    for (const hint of candidate.hints) {
      const others = byHint.get(hint);
      if (others === undefined) byHint.set(hint, [candidate]);
      else others.push(candidate);
    }
  }
  for (const asked of scanner.filter(({ place, hints }) => hints.length > 0 && !pairs.has(place))) {
    const [sharing, other] = twoOf(asked.hints.flatMap((hint) => byHint.get(hint)?.slice(0, 2) ?? []));
    if (sharing !== undefined && other === undefined) inOrder([asked], [sharing]);
  }
  const left = dojo.filter(({ place }) => !taken.has(place));
  const asked = scanner.filter(({ place }) => !pairs.has(place));
  if (scanner.length === dojo.length && asked.length === left.length) inOrder(asked, left);
  return pairs;
}

/** The first two that differ. */
const twoOf = (candidates: readonly Candidate[]) => [...new Set(candidates)].slice(0, 2);

const signature = ({ hints }: Candidate) => hints.toSorted((a, b) => a - b).join();
