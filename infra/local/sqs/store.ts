import type { DatabaseSync } from "node:sqlite";

export const ACCOUNT = "000000000000";
const REGION = "us-east-1";

/**
 * `id` is the order of arrival in the queue; `visible_at` is in the future while a message is in flight or delayed.
 * The body comes last: SQLite reads a row from the start and need not skip a long body to reach the other columns.
 */
export const SQS_SCHEMA = `
CREATE TABLE IF NOT EXISTS queues (
  name TEXT PRIMARY KEY, attributes TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, message_id TEXT NOT NULL, group_id TEXT,
  visible_at INTEGER NOT NULL, received_here INTEGER NOT NULL, receive_count INTEGER NOT NULL, receipt TEXT,
  sent_at INTEGER NOT NULL, enqueued_at INTEGER NOT NULL, first_received_at INTEGER, deduplication_id TEXT,
  source_arn TEXT, trace_header TEXT, attributes TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS messages_by_message_id ON messages (queue, message_id);
CREATE INDEX IF NOT EXISTS messages_by_order ON messages (queue, id, visible_at, group_id);
CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue, visible_at);
CREATE INDEX IF NOT EXISTS messages_by_age ON messages (queue, enqueued_at);
CREATE INDEX IF NOT EXISTS messages_by_group ON messages (queue, group_id, visible_at);
CREATE TABLE IF NOT EXISTS deduplications (
  queue TEXT NOT NULL, scope TEXT NOT NULL, deduplication_id TEXT NOT NULL, message_id TEXT NOT NULL,
  row_id INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (queue, scope, deduplication_id)
) STRICT;
CREATE INDEX IF NOT EXISTS deduplications_by_expiry ON deduplications (expires);
`;

/** A row of `messages`. */
export interface MessageRow {
  readonly id: number;
  readonly message_id: string;
  readonly body: string;
  readonly attributes: string;
  readonly trace_header: string | null;
  readonly group_id: string | null;
  readonly deduplication_id: string | null;
  readonly source_arn: string | null;
  readonly sent_at: number;
  readonly visible_at: number;
  readonly receipt: string | null;
  readonly first_received_at: number | null;
  readonly receive_count: number;
  readonly received_here: number;
}

/** Context that all actions share. */
export interface SqsContext {
  readonly database: DatabaseSync;
  /** The current time in milliseconds. */
  readonly now: () => number;
  /** The server's URL. */
  readonly url: () => string;
  readonly arrivals: Arrivals;
  /** Aborted when the server stops. */
  readonly stopped: AbortSignal;
}

/** Wakes the long polls of a queue: a message may have become visible. */
export interface Arrivals {
  announce(queue: string): void;
  /** Subscribes; the returned function unsubscribes. */
  listen(queue: string, callback: () => void): () => void;
}

export function createArrivals(): Arrivals {
  const listeners = new Map<string, Set<() => void>>();
  return {
    announce(queue) {
      for (const callback of [...(listeners.get(queue) ?? [])]) callback();
    },
    listen(queue, callback) {
      const callbacks = listeners.get(queue) ?? new Set();
      listeners.set(queue, callbacks.add(callback));
      return () => {
        callbacks.delete(callback);
        if (callbacks.size === 0 && listeners.get(queue) === callbacks) listeners.delete(queue);
      };
    },
  };
}

export function queueArn(name: string): string {
  return `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;
}

/** Increases in order of arrival, also across restarts; 20 digits long, as in SQS. */
export function sequenceNumber(rowId: number): string {
  return String(18_850_000_000_000_000_000n + BigInt(rowId) * 256n);
}
