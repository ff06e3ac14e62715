import { setTimeout as sleep } from "node:timers/promises";
import type { Clients } from "../../lib/aws/ingest-ports.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { type Env, readNotifierConfig } from "../../lib/config.ts";
import { toRelayError } from "../../lib/errors.ts";
import { type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import { OPEN_NOTICES, openNoticeKey } from "../../lib/model/state-keys.ts";
import { type NotifyPorts, notifyReceipt } from "../../lib/notify/notify-receipt.ts";
import { notifySettings } from "../../lib/notify/settings.ts";
import type { Observer } from "../../lib/observe.ts";
import { readSmall } from "../../lib/ports/read-small.ts";
import type { Progress } from "../../lib/progress.ts";
import { backoffSeconds } from "../../lib/util/backoff.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { beyondWork } from "../../lib/util/until.ts";
import { configuredWebhook } from "../../lib/webhook/notify-ports.ts";

export interface Notifier {
  /** Told how jobs go: each that ends with a receipt is told of. */
  see(progress: Progress): void;
  /** Waits for what is being sent; the rest is told after the next start. */
  stop(): Promise<void>;
}

/** Failures after which a message is left to the next start, or to `dojo-relay notify`. */
const MOST_FAILURES = 8;
/** Chats take some one message a second. */
const PAUSE_MS = 1_000;
const MAX_BYTES = 64 * 1024;

/**
 * Tells NOTIFY_URL of receipts as they are written; without it, nobody. What is still to be told lies in the bucket (`.dojo-relay/notify/open/`), so
 * that the end of the service loses nothing.
 */
export function startNotifier(env: Env, observer: Observer, { s3 }: Clients): Notifier {
  const config = readNotifierConfig(env);
  const webhook = configuredWebhook(config, env);
  if (webhook === undefined) return { see: () => undefined, stop: async () => undefined };
  const ports = { ...observer, storage: s3Storage(s3), webhook, clock: systemClock };
  const stopped = new AbortController();
  const outbox = openNotices(ports, config.BUCKET);
  const line = sendInLine(ports, (findings) => notifyReceipt(findings, ports, notifySettings(config)), {
    outbox,
    signal: stopped.signal,
  });
  const recovered = outbox
    .all()
    .then((open) => open.forEach(line.add))
    .catch((error: unknown) => observer.log.warn("what was left to be told cannot be listed", { error }));
  const notes = new Set<Promise<void>>([recovered]);
  const note = (findings: ObjectRef) => {
    const noted = outbox
      .add(findings)
      .catch((error: unknown) =>
        observer.log.warn("what is to be told cannot be noted", { object: uri(findings), error }),
      )
      .then(() => line.add(findings));
    notes.add(noted);
    void noted.finally(() => notes.delete(noted));
  };
  return {
    see: (progress) => {
      if (progress.state !== "done" || progress.outcome.receipt === undefined) return;
      const { bucket, key } = progress.job;
      beyondWork(() => note({ bucket, key }));
    },
    stop: async () => {
      await Promise.all(notes);
      stopped.abort();
      await line.idle();
    },
  };
}

/** What is still to be told of, one object a scan. */
function openNotices({ storage }: Pick<NotifyPorts, "storage">, bucket: string) {
  const refOf = (findings: ObjectRef) => ({ bucket: findings.bucket, key: openNoticeKey(findings) });
  return {
    add: async ({ bucket, key }: ObjectRef) => {
      await storage.write(refOf({ bucket, key }), JSON.stringify({ bucket, key }), { contentType: "application/json" });
    },
    remove: (findings: ObjectRef) => storage.remove(refOf(findings)),
    all: async (): Promise<ObjectRef[]> => {
      const open: ObjectRef[] = [];
      for await (const { key } of storage.list(bucket, OPEN_NOTICES)) {
        const found = await readSmall(storage, { bucket, key }, MAX_BYTES, "job-invalid");
        if (found !== undefined) open.push(JSON.parse(found.bytes.toString("utf8")) as ObjectRef);
      }
      return open;
    },
  };
}

interface Line {
  readonly outbox: ReturnType<typeof openNotices>;
  readonly signal: AbortSignal;
}

/** One after the other, so that a chat is not flooded; one that failed comes again later, and does not hold up the others. */
function sendInLine(observer: Observer, send: Send, { outbox, signal }: Line) {
  const waiting = new Map<string, ObjectRef>();
  const timers = new Set<NodeJS.Timeout>();
  const attempts = countedAttempts(observer, send);
  let working: Promise<void> | undefined;

  const later = (findings: ObjectRef, seconds: number) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      add(findings);
    }, seconds * 1000);
    timers.add(timer);
  };
  const work = async () => {
    for (const [name, findings] of waiting) {
      if (signal.aborted) return;
      waiting.delete(name);
      const end = await attempts(findings);
      if (typeof end === "number") later(findings, end);
      else if (end !== "given up" && !waiting.has(name)) await removeQuietly(outbox, findings, observer);
      if (end === "sent") await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  const add = (findings: ObjectRef) => {
    waiting.set(uri(findings), findings);
    if (signal.aborted) return;
    working ??= work().finally(() => {
      working = undefined;
      // One that was added while the last one ended.
      const [next] = waiting.values();
      if (next !== undefined && !signal.aborted) add(next);
    });
  };
  return {
    add,
    idle: async () => {
      for (const timer of timers) clearTimeout(timer);
      await working;
    },
  };
}

type Send = (findings: ObjectRef) => Promise<{ outcome: "sent" | "nothing" }>;

/** Sends, and counts failures in a row. @returns how it ended, or after how many seconds it is to be tried again */
function countedAttempts({ log, metrics }: Observer, send: Send) {
  const failures = new Map<string, number>();
  return async (findings: ObjectRef): Promise<"sent" | "nothing" | "given up" | number> => {
    const name = uri(findings);
    try {
      const { outcome } = await send(findings);
      failures.delete(name);
      return outcome;
    } catch (cause) {
      const error = toRelayError(cause, name);
      const count = (failures.get(name) ?? 0) + 1;
      failures.set(name, count);
      const fields = { object: name, failures: count, error };
      if (error.errorClass === "transient" && count < MOST_FAILURES) {
        const seconds = backoffSeconds(count, error.retryAfterSeconds);
        log.warn("a receipt could not be told of; it is tried again", { ...fields, seconds });
        return seconds;
      }
      log.error("a receipt could not be told of; it is left to the next start, or to dojo-relay notify", fields);
      metrics.add("NoticesFailed");
      failures.delete(name);
      return "given up";
    }
  };
}

/** A note that stays is looked at once more at the next start, and nothing is told twice. */
async function removeQuietly(outbox: Line["outbox"], findings: ObjectRef, { log }: Observer): Promise<void> {
  await outbox
    .remove(findings)
    .catch((error: unknown) => log.warn("a note of what was told is left behind", { object: uri(findings), error }));
}
