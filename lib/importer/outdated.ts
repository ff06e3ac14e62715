import { jobKey } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { type Receipt, writtenBackBy } from "../model/receipt.ts";
import type { Scan } from "../model/scan.ts";
import type { LivingTest } from "../ports/defectdojo.ts";
import { writeReceipt } from "../ports/receipt-store.ts";
import type { JobOutcome } from "../progress.ts";
import type { UploadedCounts } from "../report/uploaded-counts.ts";
import { outdatedReceipt } from "../sync/new-receipt.ts";
import type { ImportContext, Overtaken, Prepared } from "./attempt.ts";
import { timesOf } from "./describe-test.ts";

/** The format of job keys: other importers use other build ids, and set the start as they like. */
const JOB_KEY = /^[0-9a-f]{64}$/;
/** Clocks of relays differ by less; what lies further ahead was forged, or written by a clock that was wrong. Milliseconds. */
const MOST_AHEAD_MS = 3_600_000;

/**
 * Why a run may not be reimported: it would close the new findings of a later one. The start of the test is that of the newest run, in
 * DefectDojo, where every relay and hook sees it.
 * @param begunAt when the newest run began, as far as that is known. ISO 8601
 * @param now milliseconds since the epoch
 */
export function overtaken(
  { id, buildId }: Pick<LivingTest, "id" | "buildId">,
  begunAt: string | undefined,
  scan: Scan,
  now: number,
): Overtaken | undefined {
  const newest = Date.parse(begunAt ?? "");
  const ours = timesOf(scan, new Date(now)).start;
  if (!JOB_KEY.test(buildId) || !(newest > ours.getTime()) || newest > now + MOST_AHEAD_MS) return undefined;
  const laterRunAt = new Date(newest).toISOString();
  const why = `test ${id} has a later run of this scan, begun at ${laterRunAt}; this one began at ${ours.toISOString()}`;
  return { testId: id, laterRunAt, why };
}

/** What was to be sent of an outdated run, and where. */
interface Unsent {
  readonly by: Overtaken;
  readonly scanType: string;
  readonly uploaded: UploadedCounts | undefined;
  readonly context: ImportContext;
}

/**
 * Ends an outdated run with a receipt, so that everybody takes it for finished. Findings that are an earlier run's write-back have that run's receipt,
 * which is left alone.
 */
export async function endOutdated(attempt: Prepared, { by, ...unsent }: Unsent): Promise<JobOutcome> {
  const { ports, current } = attempt;
  const { storage, clock, dojo } = ports;
  const ended = { outcome: "outdated", why: by.why } as const;
  if (current.overwritten && !current.own) return ended;
  // Findings that a hook wrote anew go under the key of their run's first upload, of which there is nothing now.
  const job = current.own ? attempt.job : { ...attempt.job, etag: current.etag };
  const receipt = outdatedReceipt(
    {
      ...{ job, place: unsent.context, test: { id: by.testId, name: attempt.options.testTitle } },
      ...{ scanType: attempt.scanType, importedAs: unsent.scanType, syncMode: attempt.settings.syncMode },
      ...{ startedAt: attempt.startedAt, finishedAt: clock.now() },
    },
    {
      outdated: { laterRunAt: by.laterRunAt, why: by.why, advice: adviceFor(job.key) },
      ...{ uploaded: unsent.uploaded, warnings: attempt.warnings },
    },
    dojo,
  );
  const isOurs = async (present: Receipt | undefined) => {
    // Another delivery of the job, before a later run came.
    if (present?.jobKey === jobKey(attempt.job) && present.outcome !== "outdated") return false;
    const head = await storage.head(job);
    return head !== undefined && (head.etag === job.etag || writtenBackBy(job, head.metadata) === receipt.jobKey);
  };
  if (await writeReceipt(ports, job, receipt, isOurs)) return { ...ended, receipt };
  return { outcome: "superseded", why: `${uri(job)} is another's by now` };
}

const adviceFor = (key: string) =>
  `To import it all the same: dojo-relay backfill --force '${key.replaceAll("'", "'\\''")}'`;
