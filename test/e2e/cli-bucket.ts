import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { s3Client } from "../../lib/aws/clients.ts";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";

export const BUCKET = "securecodebox";

/** A Scan that only a generic import can read. */
function aSidecar(name: string, annotations: Readonly<Record<string, string>> = {}): string {
  const own = Object.entries(annotations).map(([key, value]) => [`${ANNOTATION_PREFIX}${key}`, value]);
  return JSON.stringify({
    metadata: { name, namespace: "default", annotations: Object.fromEntries(own) },
    spec: { scanType: "subfinder", parameters: [] },
    status: { rawResultType: "subfinder-json", finishedAt: "2026-11-24T08:00:00Z" },
  });
}

export const someFindings = (name: string, count = 1) =>
  JSON.stringify(
    Array.from({ length: count }, (_, index) => ({
      name: `Subdomain ${index} of ${name}`,
      description: `found by ${name}`,
      category: "Subdomain",
      severity: "LOW",
      location: `https://${index}.${name}.example.com`,
    })),
  );

export async function put(s3: S3Client, key: string, body: string): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }));
}

/** Uploads a scan's folder, the findings last. @returns the findings' key */
export async function putScan(
  s3: S3Client,
  folder: string,
  {
    annotations,
    sidecar,
    findings,
  }: { annotations?: Record<string, string>; sidecar?: string; findings?: string } = {},
): Promise<string> {
  const name = folder.replaceAll("/", "-");
  if (sidecar !== "") await put(s3, `${folder}/scan.json`, sidecar ?? aSidecar(name, annotations));
  await put(s3, `${folder}/findings.json`, findings ?? someFindings(name));
  return `${folder}/findings.json`;
}

export async function remove(s3: S3Client, key: string): Promise<void> {
  await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
}

/** Removes the notification: uploads trigger nothing. */
export async function silence(s3: S3Client): Promise<void> {
  const command = new PutBucketNotificationConfigurationCommand({ Bucket: BUCKET, NotificationConfiguration: {} });
  await s3.send(command);
}

export interface TestBucket {
  readonly s3: S3Client;
  readonly env: Readonly<Record<string, string>>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The embedded store in a temporary folder, without a bucket. Its webhook `RELAY` has no receiver. */
export async function startBucket(): Promise<TestBucket> {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-cli-"));
  const targets = { RELAY: { endpoint: "http://127.0.0.1:9/events", authToken: "token" } };
  const server = await startEmbeddedS3({ dataDir, targets });
  const env = { AWS_ENDPOINT_URL_S3: server.url };
  const s3 = s3Client({ ...env, AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_SQS: undefined }, {});
  return {
    s3,
    env,
    [Symbol.asyncDispose]: async () => {
      s3.destroy();
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
