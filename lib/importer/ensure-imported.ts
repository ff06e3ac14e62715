import { Deferral, MARGIN_MS, sleepOrDefer } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { Test } from "../ports/defectdojo.ts";
import type { JobOutcome } from "../progress.ts";
import { backoff } from "../util/backoff.ts";
import { countOf } from "../util/text.ts";
import type { Imported, Looked, Prepared } from "./attempt.ts";
import { interruption, UNSENT } from "./checkpoint.ts";
import type { Decision } from "./decide.ts";
import { keepsFewer } from "./fewer-kept.ts";
import { endOutdated } from "./outdated.ts";
import { afterStandstill } from "./refusal.ts";
import { type Sent, sendImport } from "./send-import.ts";
import { discard, dropOwn } from "./stale-tests.ts";

/** How many claims of one delivery may be too old before that is a failure. */
const MOST_LATE = 2;

/** How many imports of one delivery may conflict with others in DefectDojo before that is a failure. */
const MOST_CONFLICTS = 3;

/** What this delivery has done so far. */
interface Doing {
  /** The last import that it sent or tried to send. */
  sent?: Sent | undefined;
  late: number;
  conflicts: number;
  /** The next wait for a running import or a deletion. Milliseconds. */
  pollMs: number;
  /** The test whose deletion it requested. */
  deleted?: number;
}

/**
 * Ensures that DefectDojo has exactly one complete test with this job's build id, and returns it.
 *
 * Queries DefectDojo before anything is sent and after every response; the mode's ledger interprets the result. An import without a response is never
 * resent speculatively: it must appear within `settleMs`, or it counts as a failure of this delivery. The checkpoint is written before
 * anything is sent, which fails if another delivery of this job wrote it in the meantime: only one of two concurrent deliveries sends.
 * @returns the outcome if nothing may be imported
 * @throws Deferral to continue in the next delivery
 */
export async function ensureImported(attempt: Prepared): Promise<Imported | JobOutcome> {
  const { settings, checkpoint, ledger } = attempt;
  const { pollMs } = settings.ledger;
  const doing: Doing = { late: 0, conflicts: 0, pollMs };
  for (;;) {
    const { sent } = doing;
    if (sent?.state === "outdated") return await endOutdated(attempt, sent);
    const looked = await ledger.look(attempt, sent?.state === "answered" ? sent.answer.testId : undefined);
    const { decision, displaced } = looked;
    if (decision.state !== "running" && decision.state !== "replaced") doing.pollMs = pollMs;
    switch (decision.state) {
      case "found":
        for (const test of decision.surplus) await remove(attempt, test);
        if (displaced !== undefined) await dropOwn(attempt, displaced);
        if (looked.living !== undefined || !(await keepsFewer(attempt, decision.test)))
          return found(attempt, decision.test, sent, looked.living);
        break;
      case "replaced":
        await replace(attempt, decision.test, doing);
        break;
      case "running":
        await waitForRunning(attempt, decision.test, doing);
        break;
      case "stale":
        await checkpoint.keep();
        await remove(attempt, decision.test);
        if (!decision.others) await nothingCame(attempt, doing, decision.test);
        break;
      case "unknown":
      case "absent":
        if (displaced !== undefined) await dropOwn(attempt, displaced);
        else if (decision.state === "unknown") await waitForUnknown(attempt, decision.leftMs);
        else await importNow(attempt, decision, doing);
    }
  }
}

function found(attempt: Prepared, test: Test, sent: Sent | undefined, living: Looked["living"]): Imported {
  const own = sent?.state === "answered" && sent.answer.testId === test.id ? sent : undefined;
  const importedAs = own?.scanType ?? test.scanType;
  const { interrupted, fellBack } = attempt.checkpoint.now;
  const since = interrupted?.into === test.id ? interrupted.since : undefined;
  return {
    ...attempt,
    testId: test.id,
    buildId: test.buildId,
    importedAs,
    fellBack: importedAs === GENERIC ? fellBack : undefined,
    answer: own?.answer,
    uploaded: own?.uploaded,
    context: sent?.context,
    living: living && { ...living, since },
  };
}

/** Removes a test that another import replaces. DefectDojo may delete it in the background (ASYNC_OBJECT_DELETE); this waits for it. */
async function replace(attempt: Prepared, test: Test, doing: Doing): Promise<void> {
  if (doing.deleted !== test.id) {
    await discard(attempt, test);
    doing.deleted = test.id;
    doing.sent = undefined;
    return;
  }
  const { ports, delivery, settings } = attempt;
  const wait = nextWait(doing, settings.ledger.pollMs);
  await sleepOrDefer(ports.clock, delivery, wait, `DefectDojo deletes test ${test.id} in the background`);
}

/** Each wait is longer than the one before, up to five times the first. Milliseconds. */
function nextWait(doing: Doing, firstMs: number): number {
  const wait = doing.pollMs;
  doing.pollMs = Math.min(wait * 1.5, firstMs * 5);
  return wait;
}

/** Waits in growing steps while the import continues, or defers it to the next delivery. */
async function waitForRunning({ ports, delivery, settings, checkpoint }: Prepared, test: Test, doing: Doing) {
  const wait = nextWait(doing, settings.ledger.pollMs);
  if (delivery.remainingMs() - MARGIN_MS < wait) {
    await checkpoint.save({});
    const findings = checkpoint.now.progress?.findings ?? 0;
    const why = `DefectDojo still imports test ${test.id} (${countOf(findings, "finding")} so far)`;
    throw new Deferral(why, Math.ceil(wait / 1000));
  }
  await ports.clock.sleep(wait);
}

async function remove(attempt: Prepared, test: Test): Promise<void> {
  const { id: testId, percentComplete } = test;
  const message = "a test in DefectDojo is surplus, or its import makes no progress and counts as dead";
  attempt.ports.log.warn(message, { testId, percentComplete });
  await discard(attempt, test);
}

/** The import is lost. Without a response that is a failure; if the sender died, it was already counted. */
async function nothingCame(attempt: Prepared, { sent }: Doing, stopped?: Test): Promise<void> {
  const { key, checkpoint } = attempt;
  const { unanswered: why, progress } = checkpoint.now;
  const noted = stopped && afterStandstill(attempt, stopped, progress?.findings ?? 0);
  await checkpoint.save({ ...UNSENT, progress: undefined, ...interruption(checkpoint.now), ...noted });
  if (why === undefined) return;
  throw sent?.state === "unanswered" ? sent.error : new RelayError("import-unknown", why, { object: `import ${key}` });
}

/** Waits for an import without a response to appear. */
async function waitForUnknown({ ports, delivery, settings, checkpoint }: Prepared, leftMs: number): Promise<void> {
  const { clock } = ports;
  if (checkpoint.now.lostAt === undefined) await checkpoint.save({ lostAt: new Date(clock.now()).toISOString() });
  const wait = Math.min(leftMs, settings.ledger.pollMs);
  await sleepOrDefer(clock, delivery, wait, "waiting for an import without a response to appear");
}

/** Recorded for later deliveries, in case findings vanish before they are read. */
async function noteKept({ checkpoint }: Prepared, kept: number | undefined): Promise<void> {
  if (kept !== undefined && kept !== checkpoint.now.expected) await checkpoint.save({ kept });
}

/** The other writer of the same rows waits too: the jitter separates the two. */
async function waitForConflict({ ports, delivery, settings }: Prepared, error: RelayError, conflicts: number) {
  if (conflicts === MOST_CONFLICTS) throw error;
  const wait = Math.ceil(backoff(settings.ledger.pollMs * 2, conflicts));
  await sleepOrDefer(ports.clock, delivery, wait, "the import conflicts with another one in DefectDojo");
}

async function importNow(attempt: Prepared, { lost }: Decision & { state: "absent" }, doing: Doing): Promise<void> {
  if (lost) await nothingCame(attempt, doing);
  doing.sent = await sendImport(attempt);
  if (doing.sent.state === "answered") await noteKept(attempt, doing.sent.answer.total);
  if (doing.sent.state === "conflict") await waitForConflict(attempt, doing.sent.error, ++doing.conflicts);
  if (doing.sent.state === "late" && ++doing.late === MOST_LATE) throw doing.sent.error;
}
