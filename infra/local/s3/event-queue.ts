import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { DatabaseSync } from "node:sqlite";
import type { DiskHealth } from "../disk-health.ts";

/** A webhook that receives events; its ARN is `arn:minio:sqs::<name>:webhook`. */
export interface EventTarget {
  readonly endpoint: string;
  /** Sent as `Authorization: Bearer <token>`; two words are sent unchanged, as in MinIO; empty sends no header. */
  readonly authToken: string;
}

export interface EventQueueOptions {
  readonly database: DatabaseSync;
  readonly targets: Readonly<Record<string, EventTarget>>;
  /** @default 3000, as MinIO */
  readonly retryMs?: number;
  readonly disk: DiskHealth;
  /** Called for every failed delivery. */
  readonly report?: (message: string) => void;
}

export interface EventQueue {
  /** Whether a target has that ARN. */
  knows(arn: string): boolean;
  /** Enqueues an event. Call it in the transaction of the write. */
  add(arn: string, body: string): void;
  /** Delivers queued events. Call it after that transaction and once at startup. */
  wake(): void;
  /** Stops delivery; unacknowledged events are delivered after the next start. */
  close(): Promise<void>;
}

const DEFAULT_RETRY_MS = 3_000;
const DELIVERY_TIMEOUT_MS = 60_000;
/** Database failures are retried at growing intervals, up to this multiple of the usual one. */
const MOST_RETRIES_AT_ONCE = 20;

/**
 * Events wait in the database. Each target receives its events in order: one without a 2xx response is resent until it
 * gets one and blocks those behind it, like MinIO with QUEUE_DIR. Delivery is at least once; a delivered event that cannot be
 * removed, for example on a full disk, is not resent.
 */
export function createEventQueue({
  database,
  targets,
  retryMs = DEFAULT_RETRY_MS,
  disk,
  report,
}: EventQueueOptions): EventQueue {
  const insert = database.prepare("INSERT INTO events (arn, body) VALUES (?, ?)");
  const first = database.prepare("SELECT id, body FROM events WHERE arn = ? ORDER BY id LIMIT 1");
  const remove = database.prepare("DELETE FROM events WHERE id = ?");
  const stopped = new AbortController();
  const byArn = new Map(Object.entries(targets).map(([name, target]) => [`arn:minio:sqs::${name}:webhook`, target]));
  const running = new Map<string, Promise<void>>();

  async function drain(arn: string, target: EventTarget): Promise<void> {
    for (let event = next(arn); event && !stopped.signal.aborted; event = next(arn)) {
      const failure = await deliver(target, event.body, stopped.signal);
      if (failure === undefined) await strikeOff(event.id);
      else if (!stopped.signal.aborted) {
        report?.(`Event ${event.id} for ${target.endpoint} was not taken: ${failure}. Trying again in ${retryMs} ms.`);
        await pause(retryMs, stopped.signal);
      }
    }
  }

  async function strikeOff(id: number): Promise<void> {
    for (let pauses = 1; !stopped.signal.aborted; pauses = Math.min(2 * pauses, MOST_RETRIES_AT_ONCE)) {
      try {
        remove.run(id);
        return;
      } catch (error) {
        if (!disk.failed(error) && pauses === 1) report?.(`Event ${id} was taken and cannot be struck off: ${error}`);
        await pause(pauses * retryMs, stopped.signal);
      }
    }
  }

  function next(arn: string): { id: number; body: string } | undefined {
    return first.get(arn) as { id: number; body: string } | undefined;
  }

  /** {@link drain} reports read errors and retries. */
  function waits(arn: string): boolean {
    try {
      return next(arn) !== undefined;
    } catch {
      return true;
    }
  }

  function wake(): void {
    for (const [arn, target] of byArn) {
      if (running.has(arn) || stopped.signal.aborted || !waits(arn)) continue;
      const work = drain(arn, target)
        .catch(async (error: unknown) => {
          if (!disk.failed(error)) report?.(`Events for ${target.endpoint} cannot be read: ${String(error)}`);
          await pause(retryMs, stopped.signal);
        })
        .finally(() => {
          running.delete(arn);
          // An event may have arrived since the last read.
          wake();
        });
      running.set(arn, work);
    }
  }

  return {
    knows: (arn) => byArn.has(arn),
    add(arn, body) {
      insert.run(arn, body);
    },
    wake,
    async close() {
      stopped.abort();
      await Promise.all(running.values());
    },
  };
}

// --- utils ---

/** Why the event was not accepted, or undefined if it was. It does not use fetch, which rejects some ports as "bad". */
function deliver(
  { endpoint, authToken }: EventTarget,
  body: string,
  stopped: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const url = new URL(endpoint);
    const options = {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        ...authorization(authToken),
      },
      signal: AbortSignal.any([stopped, AbortSignal.timeout(DELIVERY_TIMEOUT_MS)]),
    };
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options, (response) => {
      const { statusCode = 0 } = response;
      // The response body is irrelevant but must be consumed.
      response.resume().on("error", (error) => resolve(error.message));
      response.on("end", () => resolve(statusCode >= 200 && statusCode < 300 ? undefined : `status ${statusCode}`));
    });
    request.on("error", (error) => resolve(error.message));
    request.end(body);
  });
}

function authorization(token: string): { authorization?: string } {
  if (token === "") return {};
  return { authorization: token.includes(" ") ? token : `Bearer ${token}` };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
