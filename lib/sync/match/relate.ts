import { createHash } from "node:crypto";
import { DOJO_SEVERITIES, type DojoSeverity } from "../../model/annotations.ts";
import type { ScanFinding } from "../../report/findings-file.ts";
import { dojoSeverity } from "../../report/to-generic-finding.ts";
import type { DojoFacts, MatchRow } from "./row.ts";

/**
 * Why a finding of the scanner has none of DefectDojo's:
 * - `parser-dropped`: DefectDojo's parser makes nothing of such a finding.
 * - `below-minimum-severity`: it is less severe, as DefectDojo's parser has it, than the import asked for.
 * - `missing`: none of DefectDojo's stands for it.
 * - `ambiguous`: several of DefectDojo's could, and nothing tells which.
 */
export type UnmatchedReason = "parser-dropped" | "below-minimum-severity" | "missing" | "ambiguous";

/** Places of DefectDojo's findings that stand for one of the scanner's, in their order, or why there is none. */
export type Match = readonly number[] | UnmatchedReason;

/** The relation between a scanner's findings and DefectDojo's, n to m. Only hashes of keys are held, so that its size does not depend on that of findings. */
export interface Relation {
  /** The next finding of the scanner, in the order of the file. */
  addScanner(finding: ScanFinding): void;
  /** The next finding of DefectDojo, in the order of its ids. */
  addDojo(finding: DojoFacts): void;
  /** One match for each finding of the scanner, in their order. Nothing is added afterwards. */
  resolve(): readonly Match[];
}

interface Asking {
  readonly keys: readonly string[];
  readonly hints: readonly string[];
  readonly parts: boolean;
  readonly otherwise: UnmatchedReason;
}

export function relate(row: MatchRow, minimumSeverity: DojoSeverity): Relation {
  /** By place; a finding that is asked for by nobody is its reason. */
  const asking: (Asking | UnmatchedReason)[] = [];
  const places = new Map<string, number[]>();
  const dojoHints: (readonly string[])[] = [];
  const least = DOJO_SEVERITIES.indexOf(minimumSeverity);
  const isBelow = (finding: ScanFinding) =>
    DOJO_SEVERITIES.indexOf(row.severity?.(finding) ?? dojoSeverity(finding.severity) ?? "Info") > least;

  return {
    addScanner: (finding) => {
      const asked = row.scanner(finding, asking.length);
      if (asked === undefined) {
        asking.push("parser-dropped");
        return;
      }
      const { keys, hints = [], parts = false, maybe = false } = asked;
      const otherwise = isBelow(finding) ? "below-minimum-severity" : maybe ? "parser-dropped" : "missing";
      asking.push({ keys: distinct(keys), hints: distinct(hints), parts, otherwise });
    },
    addDojo: (finding) => {
      const { keys, hints = [] } = row.dojo(finding);
      const place = dojoHints.length;
      dojoHints.push(distinct(hints));
      for (const hash of distinct(keys)) {
        const others = places.get(hash);
        if (others === undefined) places.set(hash, [place]);
        else others.push(place);
      }
    },
    resolve: () => resolveAll(asking, places, dojoHints),
  };
}

function resolveAll(
  asking: readonly (Asking | UnmatchedReason)[],
  places: ReadonlyMap<string, readonly number[]>,
  dojoHints: readonly (readonly string[])[],
): Match[] {
  /** Findings that several could stand for, by the key that they share. */
  const groups = new Map<string, number[]>();
  const matches = asking.map((asked, index): Match => {
    if (typeof asked === "string") return asked;
    if (asked.parts) {
      const all = new Set(asked.keys.flatMap((hash) => places.get(hash) ?? []));
      return all.size === 0 ? asked.otherwise : [...all].sort((a, b) => a - b);
    }
    const hash = asked.keys.find((each) => places.has(each));
    if (hash === undefined) return asked.otherwise;
    const found = places.get(hash) ?? [];
    if (found.length === 1) return found;
    const group = groups.get(hash);
    if (group === undefined) groups.set(hash, [index]);
    else group.push(index);
    return "ambiguous";
  });
  const hintsOf = (index: number) => {
    const asked = asking[index];
    return asked === undefined || typeof asked === "string" ? [] : asked.hints;
  };
  for (const [hash, scanner] of groups) {
    const pairs = tellApart(
      scanner.map((place) => ({ place, hints: hintsOf(place) })),
      (places.get(hash) ?? []).map((place) => ({ place, hints: dojoHints[place] ?? [] })),
    );
    for (const [index, place] of pairs) matches[index] = [place];
  }
  return matches;
}

interface Candidate {
  readonly place: number;
  readonly hints: readonly string[];
}

/**
 * Which of the scanner's findings of one key are which of DefectDojo's: by all their hints, then by any hint that only one candidate has. What
 * is left is alike to the last character; both sides have it in the order of the report, which says which is which where none is missing.
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
  for (const asked of scanner.filter(({ place, hints }) => hints.length > 0 && !pairs.has(place))) {
    const sharing = dojo.filter((candidate) => candidate.hints.some((hint) => asked.hints.includes(hint)));
    if (sharing.length === 1) inOrder([asked], sharing);
  }
  const left = dojo.filter(({ place }) => !taken.has(place));
  const asked = scanner.filter(({ place }) => !pairs.has(place));
  if (scanner.length === dojo.length && asked.length === left.length) inOrder(asked, left);
  return pairs;
}

const signature = ({ hints }: Candidate) => [...hints].sort().join("");

/** Hashes of distinct texts: 15 bytes are enough, and take less memory than the texts. */
const distinct = (texts: readonly string[]): readonly string[] => [...new Set(texts.map(hashOf))];

const hashOf = (text: string) => createHash("sha256").update(text).digest().toString("latin1", 0, 15);
