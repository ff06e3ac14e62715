import { RelayError } from "../../lib/errors.ts";
import type { ObjectRef } from "../../lib/model/object-keys.ts";
import type { Fault } from "./schedule.ts";

export type Service = "s3" | "sqs" | "dojo";

/** One process of the relay: an ingest or an importer, for one event or message. */
export interface Actor {
  readonly name: string;
  alive: boolean;
  /** The object it works on, for actors that interfere. */
  readonly ref: ObjectRef;
  /** Its message, if it has one. */
  readonly receiptHandle?: string;
  /** Resolves when it dies. */
  readonly death: Promise<void>;
  readonly die: () => void;
}

export function newActor(name: string, ref: ObjectRef, receiptHandle?: string): Actor {
  const { promise, resolve } = Promise.withResolvers<void>();
  const actor: Actor = {
    name,
    alive: true,
    ref,
    death: promise,
    ...(receiptHandle === undefined ? {} : { receiptHandle }),
    die: () => {
      actor.alive = false;
      resolve();
    },
  };
  return actor;
}

/** Where dead processes wait: their calls have no effect any more. */
export interface Limbo {
  stay(): Promise<never>;
  /** Ends the wait with an error, so that files of dead processes are closed, as at the end of a real process. */
  end(): void;
}

export function limbo(): Limbo {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  return { stay: () => promise, end: () => reject(new Error("the process is dead")) };
}

/** The error that the caller sees if the response is missing or unknown. */
export function errorOf(service: Service, what: string, { kind, seconds }: Fault): RelayError {
  const object = `${service} ${what}`;
  if (service === "s3") return new RelayError("storage-unavailable", `${object}: SlowDown (HTTP 503)`, { object });
  if (service === "sqs") return new RelayError("queue-unavailable", `${object}: ServiceUnavailable`, { object });
  const unknown = kind === "lost" || kind === "late";
  if (what === "importScan") {
    if (unknown) return new RelayError("import-unknown", `${object}: ECONNRESET`, { object });
    if (seconds % 2 === 0) return new RelayError("dojo-busy", `${object}: HTTP 429`, { object, status: 429 });
    const options = { object, status: 503, retryAfterSeconds: 3 };
    return new RelayError("import-unknown", `${object}: HTTP 503`, options);
  }
  if (unknown) return new RelayError("dojo-timeout", `${object}: timeout`, { object });
  const busy = { object, status: 503, retryAfterSeconds: 7 };
  if (seconds % 2 === 0) return new RelayError("dojo-busy", `${object}: HTTP 503`, busy);
  return new RelayError("dojo-unavailable", `${object}: HTTP 502`, { object, status: 502 });
}
