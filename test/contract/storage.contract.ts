import type { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe } from "vitest";
import { storageChecksumTests } from "./storage-checksums.contract.ts";
import { storageConditionTests } from "./storage-conditions.contract.ts";
import { storageListTests } from "./storage-list.contract.ts";
import { storageMultipartTests } from "./storage-multipart.contract.ts";
import { storageObjectTests } from "./storage-objects.contract.ts";
import { storageRefusalTests } from "./storage-refusals.contract.ts";

/** What a server does that not all of them do. A test that needs one of these says so where it is skipped. */
export interface StorageCapabilities {
  /** Keys such as `a//b`, `a/../b` or `/a` are keys like any other. MinIO refuses them: it makes paths of them. */
  readonly anyKey: boolean;
  /** What is not supported is answered with an error. MinIO supports (or pretends to support) more than we ask of. */
  readonly unsupportedIsAnError: boolean;
}

export interface StorageSetup {
  readonly client: S3Client;
  /** An empty bucket, of this suite alone. */
  readonly bucket: string;
  readonly capabilities: StorageCapabilities;
  /** Stops and starts the server; the client stays good. */
  readonly restart?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** The storage that tests work with: the client and bucket, once there are any. */
export type StorageUnderTest = () => StorageSetup;

/** What dojo-relay and secureCodeBox ask of an S3. Every storage that we claim to work with passes it. */
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
    storageListTests(storage);
    storageMultipartTests(storage);
    storageRefusalTests(storage, capabilities);
  });
}
