import { randomUUID } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetBucketNotificationConfigurationCommand,
  HeadBucketCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { type Env, readServiceConfig, type StoreConfig } from "../../lib/config.ts";
import { RelayError } from "../../lib/errors.ts";
import { looksLikeFindings } from "../../lib/ingest/unrecognised.ts";
import { findingsSuffix, folderOf, nameOf, type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import type { Condition, Storage } from "../../lib/ports/storage.ts";
import { storageError } from "../../lib/ports/storage-error.ts";
import { withServerDate } from "../http-date.ts";
import { isOwnStore } from "../operator.ts";
import { type Diagnosis, examine, fail, ok, skew, warn } from "./finding.ts";

const SCRATCH = ".dojo-relay-doctor/";

/** The bucket: exists, readable, writable, honours conditional writes, and notifies somebody of findings, where Scans do not. */
export async function checkBucket(s3: S3Client, config: StoreConfig, env: Env): Promise<Diagnosis[]> {
  const { BUCKET: bucket } = config;
  let there = false;
  const reached = await examine("bucket", async () => {
    const command = new HeadBucketCommand({ Bucket: bucket });
    try {
      const { date } = await withServerDate(command, () => s3.send(command));
      there = true;
      return [ok("bucket", `s3://${bucket} exists`), ...skew("clock of the store", date, new Date())];
    } catch (error) {
      const remedy =
        "Check BUCKET, AWS_ENDPOINT_URL_S3, AWS_REGION and the credentials; `dojo-relay setup` makes the bucket.";
      return fail("bucket", `cannot be reached: ${storageError(error, { bucket, key: "" }).message}`, remedy);
    }
  });
  if (!there) return reached;
  const scratch = { bucket, key: `${SCRATCH}${randomUUID()}` };
  const written = await examine("bucket rights", () => readAndWrite(s3Storage(s3), scratch));
  const inParts = await examine("conditional uploads in parts", () => uploadInParts(s3, s3Storage(s3), scratch));
  const told = await examine("notification", () => notification(s3, config, env));
  const named = await examine("names of findings", () => unrecognised(s3Storage(s3), config));
  return [...reached, ...written, ...inParts, ...told, ...named];
}

async function readAndWrite(storage: Storage, scratch: ObjectRef): Promise<Diagnosis[]> {
  const write = (body: string, condition?: Condition) =>
    storage.write(scratch, body, { contentType: "text/plain", ...(condition === undefined ? {} : { condition }) });
  const refused = async (condition: Condition) => {
    try {
      await write("overwritten", condition);
      return false;
    } catch (error) {
      if (error instanceof RelayError && error.reason === "storage-precondition") return true;
      throw error;
    }
  };
  const etag = await write("first");
  try {
    if ((await storage.head(scratch)) === undefined) {
      return [
        fail(
          "bucket rights",
          `${uri(scratch)} cannot be read after it was written`,
          "Give the credentials read access to the bucket.",
        ),
      ];
    }
    const honoured = (await refused({ ifNoneMatch: "*" })) && (await refused({ ifMatch: "0".repeat(32) }));
    await write("second", { ifMatch: etag });
    const rights = ok("bucket rights", "objects can be written, read and removed");
    if (honoured) return [rights, ok("conditional writes", "If-Match and If-None-Match are honoured")];
    const remedy =
      "Use AWS S3, MinIO or another store with conditional writes: without them another writer's findings could be overwritten.";
    return [rights, fail("conditional writes", "the store writes although the condition does not hold", remedy)];
  } finally {
    await storage.remove(scratch);
  }
}

/** Large findings are uploaded in parts, where some stores ignore conditions. One small part is enough to find out. */
async function uploadInParts(s3: S3Client, storage: Storage, scratch: ObjectRef): Promise<Diagnosis> {
  const check = "conditional uploads in parts";
  const target = { Bucket: scratch.bucket, Key: scratch.key };
  await storage.write(scratch, "first", { contentType: "text/plain" });
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(target));
  try {
    const { ETag } = await s3.send(new UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: "second" }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    const IfMatch = `"${"0".repeat(32)}"`;
    await s3.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload, IfMatch }));
    const remedy =
      "Use a store that honours conditions there too: otherwise another writer's large findings could be overwritten.";
    return fail(check, "the store completes an upload although the condition does not hold", remedy);
  } catch (error) {
    if (storageError(error, scratch).reason !== "storage-precondition") throw error;
    return ok(check, "If-Match is honoured");
  } finally {
    await s3.send(new AbortMultipartUploadCommand({ ...target, UploadId })).catch(() => undefined);
    await storage.remove(scratch);
  }
}

/** Number of object names inspected: a hundred listings. */
const MOST_LISTED = 100_000;

/** Findings under names other than FINDINGS_NAME, which are never imported. */
async function unrecognised(
  storage: Storage,
  { BUCKET: bucket, FINDINGS_NAME: name }: StoreConfig,
): Promise<Diagnosis> {
  const check = "names of findings";
  const prefixes = new Map<string, string>();
  let listed = 0;
  for await (const { key } of storage.list(bucket, "")) {
    if (looksLikeFindings(name, nameOf(key)) && prefixes.size < 5) prefixes.set(folderOf(key), key);
    if (++listed >= MOST_LISTED) break;
  }
  if (prefixes.size === 0) return ok(check, `nothing in ${listed} objects ends like findings and is none`);
  const examples = [...prefixes.values()].join(", ");
  const remedy = "Set FINDINGS_NAME to a pattern where keys are flat, such as *-findings.json (docs/configuration.md).";
  return warn(check, `not imported, as they are not named ${name}: ${examples}`, remedy);
}

async function notification(
  s3: S3Client,
  { BUCKET: bucket, FINDINGS_NAME: name }: StoreConfig,
  env: Env,
): Promise<Diagnosis> {
  const told = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
  if (told.EventBridgeConfiguration !== undefined) {
    return ok("notification", "the bucket sends its events to EventBridge");
  }
  const targets = [
    ...(told.QueueConfigurations ?? []).map(({ QueueArn: arn, ...rest }) => ({ arn, ...rest })),
    ...(told.LambdaFunctionConfigurations ?? []).map(({ LambdaFunctionArn: arn, ...rest }) => ({ arn, ...rest })),
    ...(told.TopicConfigurations ?? []).map(({ TopicArn: arn, ...rest }) => ({ arn, ...rest })),
  ];
  const fitting = targets.find(({ Filter, Events }) => {
    const suffix = Filter?.Key?.FilterRules?.find((rule) => rule.Name?.toLowerCase() === "suffix")?.Value ?? "";
    return findingsSuffix(name).endsWith(suffix) && Events?.some((event) => event.startsWith("s3:ObjectCreated:"));
  });
  if (fitting === undefined) {
    const { TRIGGER } = readServiceConfig(env);
    if (TRIGGER !== "webhook")
      return ok("notification", `none for …${name}, and Scans of the cluster need none (TRIGGER=${TRIGGER})`);
    const remedy = "Run `dojo-relay setup`, or configure the bucket notification (docs/self-hosted.md, docs/aws.md).";
    return fail("notification", `s3://${bucket} notifies nobody when …${name} lands`, remedy);
  }
  const says = `…${name} notifies ${fitting.arn}`;
  if (isOwnStore(env)) return ok("notification", `…${name} notifies the service that the store belongs to`);
  if (!fitting.arn?.startsWith("arn:minio:")) return ok("notification", says);
  const remedy =
    "Make sure that MinIO's webhook has a QUEUE_DIR: without one, events are lost while the receiver is unavailable (doctor cannot check this).";
  return warn("notification", says, remedy);
}
