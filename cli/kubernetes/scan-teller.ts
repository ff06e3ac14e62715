import { RelayError, toRelayError } from "../../lib/errors.ts";
import {
  type ClusterScan,
  isToldFinally,
  RELAY_PREFIX,
  TOLD_ANNOTATION,
  toldValue,
} from "../../lib/model/cluster-scan.ts";
import { outdatedNote, type Receipt } from "../../lib/model/receipt.ts";
import type { Log } from "../../lib/observe.ts";
import { backoff } from "../../lib/util/backoff.ts";
import { sha256 } from "../../lib/util/digest.ts";
import { countOf, cutText } from "../../lib/util/text.ts";
import type { Announcement, Cluster } from "./cluster.ts";
import { keyedWork } from "./keyed-work.ts";
import type { ScanIndex } from "./scan-index.ts";
import { scanNotes } from "./scan-notes.ts";

/** How a Scan ended: with its receipt, or with the error that its dead letter carries. */
export type Outcome = { readonly receipt: Receipt } | { readonly failure: RelayError };

export interface ScanTellerOptions {
  readonly cluster: Cluster;
  readonly index: Pick<ScanIndex, "get">;
  /** Whether `status.findings` is patched. */
  readonly patchesFindings: boolean;
  readonly log: Log;
}

export interface ScanTeller {
  /** Tells the Scan of this uid, if the cluster has it, in its own time. */
  tell(uid: string, outcome: Outcome): void;
  stop(): Promise<void>;
}

const AT_ONCE = 4;
/** What is refused that often is told after the next start, if the watch triggers jobs. An API server that is away is waited for as long as the Scan exists. */
const MOST_TRIES = 8;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Writes outcomes to the Scans: `status.findings` as the hook does, an Event, and last the annotations, which say that everything before them is done. A Scan
 * that is gone or another by now is no failure; what the service may not do is said once and left out.
 */
export function scanTeller(options: ScanTellerOptions): ScanTeller {
  const { index, log } = options;
  const outcomes = new Map<string, Outcome>();
  /** The receipt that a Scan was told last, by its time: a resync that changes nothing has the same. */
  const last = scanNotes<string>((uid) => index.get(uid) !== undefined);
  const forget = (uid: string) => {
    outcomes.delete(uid);
    last.delete(uid);
  };
  const allowed = onceRefused(log);
  const work = keyedWork({
    limit: AT_ONCE,
    work: async (uid) => {
      const [scan, outcome] = [index.get(uid), outcomes.get(uid)];
      if (scan === undefined || outcome === undefined) return forget(uid);
      await tellScan(scan, outcome, options, allowed);
      if (outcomes.get(uid) === outcome) outcomes.delete(uid);
    },
    again: (uid, failures, error) => {
      const failure = toRelayError(error, uid);
      const fields = { object: failure.object, error: failure };
      if (failures < MOST_TRIES || failure.errorClass === "transient") {
        if (failures === MOST_TRIES) log.warn("a Scan's outcome cannot be written yet; retrying", fields);
        return backoff(FIRST_PAUSE_MS, failures, LONGEST_PAUSE_MS);
      }
      log.warn("a Scan's outcome cannot be written", fields);
      outcomes.delete(uid);
      return undefined;
    },
  });
  return {
    tell: (uid, outcome) => {
      const scan = index.get(uid);
      const news = "receipt" in outcome ? outcome.receipt.startedAt : "";
      if (scan === undefined || (news !== "" && last.get(uid) === news && isToldFinally(scan))) return;
      last.set(uid, news);
      outcomes.set(uid, outcome);
      work.add(uid);
    },
    stop: work.stop,
  };
}

/** Does what is allowed in a namespace. */
type Allowed = (right: string, namespace: string, request: () => Promise<void>) => Promise<void>;

async function tellScan(
  scan: ClusterScan,
  outcome: Outcome,
  { cluster, patchesFindings }: ScanTellerOptions,
  allowed: Allowed,
): Promise<void> {
  const receipt = "receipt" in outcome ? outcome.receipt : undefined;
  const { namespace } = scan;
  if (patchesFindings && receipt?.outcome === "synced")
    await allowed("patch scans/status", namespace, () => cluster.patchFindings(scan, receipt.findings));
  const { annotations, announcement } = wordsOf(outcome);
  // The same event for the same outcome: written twice, it exists once.
  const name = `${cutText(scan.name, 200)}.${sha256(JSON.stringify([scan.uid, announcement, receipt?.startedAt])).slice(0, 16)}`;
  await allowed("create events", namespace, () => cluster.createEvent(scan, name, announcement));
  const told = { [TOLD_ANNOTATION]: toldValue(scan), ...annotations };
  await allowed("patch scans", namespace, () => cluster.annotate(scan, told));
}

/** What is said, in annotations and in an Event. */
function wordsOf(outcome: Outcome): {
  annotations: Record<string, string | null>;
  announcement: Announcement;
} {
  const annotate = (words: Readonly<Record<"outcome" | "reason" | "test", string | null>>) =>
    Object.fromEntries(Object.entries(words).map(([name, value]) => [`${RELAY_PREFIX}${name}`, value]));
  if ("failure" in outcome) {
    const { reason, message, advice } = outcome.failure;
    return {
      annotations: annotate({ outcome: "dead-lettered", reason: cutText(`${reason}: ${message}`, 1_000), test: null }),
      announcement: {
        type: "Warning",
        reason: "DeadLettered",
        message: `${reason}: ${message.replace(/\.?$/, ".")} ${advice}`,
      },
    };
  }
  const { receipt } = outcome;
  const outdated = outdatedNote(receipt);
  if (outdated !== undefined)
    return {
      annotations: annotate({ outcome: receipt.outcome, reason: cutText(outdated, 1_000), test: receipt.test.url }),
      announcement: { type: "Normal", reason: EVENTS[receipt.outcome], message: outdated },
    };
  const { findings, test, importedAs, new: fresh, duplicates, falsePositives, fellBack } = receipt;
  const done = `${countOf(findings.count, "finding")} imported as ${importedAs} into ${test.url}: ${fresh} new, ${countOf(duplicates, "duplicate")}, ${countOf(falsePositives, "false positive")}`;
  if (fellBack !== undefined)
    return {
      annotations: annotate({ outcome: "fell-back", reason: cutText(fellBack, 1_000), test: test.url }),
      announcement: { type: "Warning", reason: "FellBack", message: `${done}. ${fellBack}` },
    };
  return {
    annotations: annotate({ outcome: receipt.outcome, reason: null, test: test.url }),
    announcement: { type: "Normal", reason: EVENTS[receipt.outcome], message: done },
  };
}

/** One row an outcome of a receipt: its Event. */
const EVENTS = { synced: "Synced", imported: "Imported", outdated: "Outdated" } as const satisfies Readonly<
  Record<Receipt["outcome"], string>
>;

/** Of an event: the namespace is gone, or the event exists. A refused patch of a Scan says less: only the watch knows whether the Scan still exists. */
const isThereOrGone = ({ status }: RelayError, right: string) =>
  right === "create events" && (status === 404 || status === 409);

/** An API server without the core API has no Events; a namespace that is gone has none either, which is said of that alone. */
const isNotServed = ({ status, message }: RelayError, right: string) =>
  right === "create events" && status === 404 && !message.includes("namespaces ");

/** Kubernetes' authorization says what the user cannot do; a namespace that is being deleted and a quota are 403 too, and pass. */
const isForbidden = ({ status, message }: RelayError) => status === 403 && /\bcannot \w+ resource\b/.test(message);

/** The Scan's namespace is being deleted. */
const isEnding = ({ status, message }: RelayError) => status === 403 && message.includes("is being terminated");

/** A right that is missing in a namespace, or everywhere, is not tried again by this process. */
function onceRefused(log: Log): Allowed {
  const refused = new Set<string>();
  return async (right, namespace, request) => {
    const here = `${right} in ${namespace}`;
    if (refused.has(right) || refused.has(here)) return;
    try {
      await request();
    } catch (error) {
      if (!(error instanceof RelayError) || error.status === undefined) throw error;
      const missing = isNotServed(error, right) ? right : isForbidden(error) ? here : undefined;
      if (missing !== undefined) {
        refused.add(missing);
        log.warn(`Scans are told their outcomes without this: the service may not ${missing}`, { error });
      } else if (isThereOrGone(error, right) || isEnding(error)) {
        log.debug("a Scan changed or vanished before its outcome was written", { error });
      } else if (error.status === 403) {
        log.warn("a Scan is told its outcome without this", { error });
      } else throw error;
    }
  };
}
