import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe } from "vitest";
import { storageChecksumTests } from "./storage-checksums.contract.ts";
import { storageConditionTests } from "./storage-conditions.contract.ts";
import { storageListTests } from "./storage-list.contract.ts";
import { storageMultipartTests } from "./storage-multipart.contract.ts";
import { storageObjectTests } from "./storage-objects.contract.ts";
import { storageRefusalTests } from "./storage-refusals.contract.ts";
import { storageRestartTests } from "./storage-restart.contract.ts";

/** Features of S3 that not every server has. A test that needs a missing one is skipped. */
export interface StorageCapabilities {
  /** Keys such as `a//b`, `a/../b` or `/a` are keys like any other, and `a` may exist next to `a/b`. */
  readonly anyKey: boolean;
  /** Features that dojo-relay does not need return 501 (the embedded S3); a full server supports them. */
  readonly unsupportedIsAnError: boolean;
}

export interface StorageSetup {
  readonly client: S3Client;
  /** An empty bucket for this suite only. */
  readonly bucket: string;
  readonly capabilities: StorageCapabilities;
  /** Restarts the server; the client stays valid. */
  readonly restart?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** The storage under test: client and bucket, once they exist. */
export type StorageUnderTest = () => StorageSetup;

/** What dojo-relay and secureCodeBox require of S3. Every supported storage passes it. */
export function storageContract(
  name: string,
  capabilities: StorageCapabilities,
  setup: () => Promise<Omit<StorageSetup, "capabilities">>,
): void {
  describe(`storage contract: ${name}`, () => {
    let current: StorageSetup | undefined;
    const storage: StorageUnderTest = () => {
      if (!current) throw new Error("The storage is not set up");
      return current;
    };
    beforeAll(async () => {
      current = { ...(await setup()), capabilities };
    });
    afterAll(async () => {
      await current?.close();
    });
    storageObjectTests(storage, capabilities);
    storageConditionTests(storage);
    storageChecksumTests(storage);
    storageListTests(storage, capabilities);
    storageMultipartTests(storage);
    storageRefusalTests(storage, capabilities);
    storageRestartTests(storage);
  });
}

/** Deletes a bucket of a persistent server, with everything the tests left in it. */
export async function deleteBucket(client: S3Client, Bucket: string): Promise<void> {
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
    const Objects = Contents.map(({ Key }) => ({ Key }));
    if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  }
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
  for (const { Key, UploadId } of Uploads)
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  await client.send(new DeleteBucketCommand({ Bucket }));
}
