import type { DojoSeverity } from "../model/annotations.ts";
import type { RunStatus } from "../model/verdicts.ts";
import type { DefectDojo, ImportRecord, LivingRun } from "../ports/defectdojo.ts";
import type { DojoFinding } from "../ports/dojo-finding.ts";
import type { ScanFinding } from "../report/findings-file.ts";
import { matchRow, relate } from "./match/match.ts";

/** The findings of a living test that belong to one run. */
export interface LivingFindings {
  /** Adds a finding of the scanner; all come before the ids are queried. */
  addScanner(finding: ScanFinding): void;
  /** DefectDojo's ids. */
  ids(): readonly number[];
  statusOf(finding: Pick<DojoFinding, "id" | "createdAt">): RunStatus;
}

interface LivingTestToRead {
  readonly testId: number;
  readonly importedAs: string;
  readonly minimumSeverity: DojoSeverity;
  readonly living: LivingRun;
  /** Ids of the last write-back, if there is one: they belong to the run, whatever happened since. */
  readonly written: readonly number[] | undefined;
}

/**
 * Which findings of a living test belong to a run: those that its record names, except closed ones. The record omits findings that people judged and the
 * run found again (default_reimporter.py, 2.34 to 3.2): of these, those that match a finding of the scanner. Without a record, all open ones.
 */
export async function livingFindings(dojo: DefectDojo, test: LivingTestToRead): Promise<LivingFindings> {
  const { living, testId, written } = test;
  const { record } = living;
  const recorded = record === undefined ? await openIds(dojo, testId, written) : idsOf(record);
  const status = statusBy(living);
  if (written !== undefined) {
    const ids = [...new Set([...recorded, ...written])];
    return { addScanner: () => undefined, ids: () => ids, statusOf: status };
  }
  const judged = await judgedBeside(dojo, test, new Set(recorded));
  return { addScanner: judged.addScanner, ids: () => [...recorded, ...judged.claimed()], statusOf: status };
}

const idsOf = ({ new: created, known, reactivated }: ImportRecord) => [...created, ...known, ...reactivated];

/** The record of a report that was sent again names as untouched what the interrupted attempt created. */
function statusBy({ record, since }: LivingRun): LivingFindings["statusOf"] {
  const [created, back] = [new Set(record?.new), new Set(record?.reactivated)];
  const isOfThisRun = (createdAt: string) => since !== undefined && Date.parse(createdAt) >= Date.parse(since);
  return ({ id, createdAt }) => {
    if (created.has(id) || isOfThisRun(createdAt)) return "new";
    return back.has(id) ? "reactivated" : "known";
  };
}

async function openIds(dojo: DefectDojo, testId: number, written: readonly number[] | undefined): Promise<number[]> {
  if (written !== undefined) return [];
  const ids: number[] = [];
  for await (const page of dojo.findingsThat(testId, "open")) ids.push(...page.map(({ id }) => id));
  return ids;
}

/** Findings that people judged, besides those of the record: which of them the scanner found again. */
async function judgedBeside(
  dojo: DefectDojo,
  { testId, importedAs, minimumSeverity }: LivingTestToRead,
  recorded: ReadonlySet<number>,
) {
  const relation = relate(matchRow(importedAs, true), minimumSeverity);
  const ids: number[] = [];
  const add = (finding: DojoFinding) => {
    if (recorded.has(finding.id)) return;
    relation.addDojo(finding);
    ids.push(finding.id);
  };
  for await (const page of dojo.findingsThat(testId, "judged")) for (const finding of page) add(finding);
  return {
    addScanner: (finding: ScanFinding) => {
      if (ids.length > 0) relation.addScanner(finding);
    },
    claimed: () => {
      const places = relation.resolve().flatMap((match) => (typeof match === "string" ? [] : match));
      return [...new Set(places)].flatMap((place) => ids[place] ?? []);
    },
  };
}
