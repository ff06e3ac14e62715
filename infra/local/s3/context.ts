import type { DatabaseSync } from "node:sqlite";
import type { Bodies } from "./bodies.ts";
import type { EventQueue } from "./event-queue.ts";
import type { S3Request } from "./request.ts";
import type { ObjectStore } from "./store.ts";

/** Context that all handlers share. */
export interface S3Context {
  readonly database: DatabaseSync;
  readonly objects: ObjectStore;
  readonly bodies: Bodies;
  readonly events: EventQueue;
  /** The server's URL, known once it listens. */
  readonly endpoint: () => string;
}

export interface S3Response {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
  /** Called after the response was sent or failed. */
  readonly finished?: () => Promise<void>;
}

export type S3Handler = (context: S3Context, request: S3Request) => S3Response | Promise<S3Response>;

export function xmlResponse(body: string, headers: Readonly<Record<string, string>> = {}): S3Response {
  return { status: 200, headers: { "content-type": "application/xml", ...headers }, body };
}
