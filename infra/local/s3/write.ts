import { transaction } from "../sqlite.ts";
import type { Segment } from "./bodies.ts";
import { existingBucket } from "./buckets.ts";
import { assertWriteConditions } from "./conditions.ts";
import type { S3Context } from "./context.ts";
import type { EventName } from "./event.ts";
import { queueEvents } from "./notification.ts";
import type { S3Request } from "./request.ts";
import type { StoredObject } from "./store.ts";

/** Headers such as Content-Type that are stored with the object and returned unchanged. */
const KEPT_HEADERS = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];

export function readKeptHeaders({ headers }: S3Request): Record<string, string> {
  const kept: Record<string, string> = { "content-type": "binary/octet-stream" };
  for (const name of KEPT_HEADERS) {
    const value = headers.get(name);
    if (value !== undefined && value !== "") kept[name] = value;
  }
  const encodings = (kept["content-encoding"] ?? "").split(",").map((encoding) => encoding.trim());
  const encoding = encodings.filter((name) => name !== "" && name !== "aws-chunked").join(",");
  if (encoding !== "") kept["content-encoding"] = encoding;
  else delete kept["content-encoding"];
  return kept;
}

export interface Commit {
  readonly bucket: string;
  readonly object: StoredObject;
  readonly eventName: EventName;
  /** Files that nothing references if the commit fails. */
  readonly removeOnFailure: readonly Segment[];
  readonly alsoInTransaction?: () => void;
}

/**
 * Publishes a complete object: checks the conditions of the request, replaces the row and enqueues the
 * events in one synchronous transaction, so exactly one of several concurrent writes meets its condition.
 */
export async function commitObject(context: S3Context, request: S3Request, commit: Commit): Promise<void> {
  const { bucket, object, eventName, removeOnFailure, alsoInTransaction } = commit;
  let replaced: StoredObject | undefined;
  try {
    replaced = transaction(context.database, () => {
      existingBucket(context, bucket);
      const current = context.objects.get(bucket, object.key);
      assertWriteConditions(request.headers, current);
      context.objects.put(bucket, object);
      queueEvents(context, request, eventName, bucket, object);
      alsoInTransaction?.();
      return current;
    });
  } catch (error) {
    await context.bodies.remove(removeOnFailure);
    throw error;
  }
  context.events.wake();
  if (replaced) await context.bodies.remove(replaced.segments);
}
