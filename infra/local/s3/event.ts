import { randomBytes, randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { headerText, type S3Request } from "./request.ts";
import type { StoredObject } from "./store.ts";

export type EventName = "s3:ObjectCreated:Put" | "s3:ObjectCreated:Copy" | "s3:ObjectCreated:CompleteMultipartUpload";

/** The body that MinIO POSTs to a webhook, as recorded from MinIO; buckets are unversioned, so there is no versionId. */
export function buildEvent(
  eventName: EventName,
  request: S3Request,
  bucket: string,
  object: StoredObject,
  server: { readonly endpoint: string; readonly deploymentId: string; readonly sequencer: string },
): string {
  const principalId = /Credential=([^/,]+)/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const record = {
    eventVersion: "2.0",
    eventSource: "minio:s3",
    awsRegion: "",
    eventTime: new Date(object.modified).toISOString(),
    eventName,
    userIdentity: { principalId },
    requestParameters: { principalId, region: "", sourceIPAddress: request.body.socket.remoteAddress ?? "" },
    responseElements: {
      "x-amz-id-2": randomBytes(32).toString("hex"),
      "x-amz-request-id": server.sequencer,
      "x-minio-deployment-id": server.deploymentId,
      "x-minio-origin-endpoint": server.endpoint,
    },
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "Config",
      bucket: { name: bucket, ownerIdentity: { principalId }, arn: `arn:aws:s3:::${bucket}` },
      object: {
        key: queryEscape(object.key),
        size: object.size,
        eTag: object.etag,
        contentType: object.headers["content-type"] ?? "",
        userMetadata: userMetadata(object),
        sequencer: server.sequencer,
      },
    },
    source: {
      host: request.body.socket.remoteAddress ?? "",
      port: "",
      userAgent: request.headers.get("user-agent") ?? "",
    },
  };
  return JSON.stringify({ EventName: eventName, Key: `${bucket}/${object.key}`, Records: [record] });
}

/**
 * The next sequencer: the hexadecimal time in nanoseconds, as in MinIO, but always greater than the previous one, even
 * if the clock was set back or the server restarted. Call it in the transaction of the write.
 */
export function nextSequencer(database: DatabaseSync): string {
  const now = BigInt(Date.now()) * 1_000_000n;
  const last = BigInt(readState(database, "sequencer") ?? "0");
  const next = now > last ? now : last + 1n;
  writeState(database, "sequencer", String(next));
  return next.toString(16).toUpperCase().padStart(16, "0");
}

/** The id of this installation, generated once. */
export function deploymentId(database: DatabaseSync): string {
  const known = readState(database, "deployment");
  if (known !== undefined) return known;
  const id = randomUUID();
  writeState(database, "deployment", id);
  return id;
}

// --- utils ---

function readState(database: DatabaseSync, name: string): string | undefined {
  return database.prepare("SELECT value FROM state WHERE name = ?").get(name)?.value as string | undefined;
}

function writeState(database: DatabaseSync, name: string, value: string): void {
  database.prepare("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)").run(name, value);
}

/** Go's url.QueryEscape, as MinIO encodes keys: everything except letters, digits and `-_.~`; a space becomes `+`. */
function queryEscape(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

function userMetadata({ headers, metadata }: StoredObject): Record<string, string> {
  const { expires: _, ...told } = headers;
  const entries = Object.entries(metadata).map(([name, value]) => [`X-Amz-Meta-${canonical(name)}`, headerText(value)]);
  return { ...Object.fromEntries(entries), ...told };
}

/** Go's canonical header name: the first letter and every letter after a hyphen are upper case. */
function canonical(name: string): string {
  return name.replace(/(^|-)([a-z])/g, (letters) => letters.toUpperCase());
}
