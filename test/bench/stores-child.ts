import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { offer } from "./rpc.ts";

/** The embedded S3 and SQS in a process of their own. */
const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-bench-"));
const report = (message: string) => process.stderr.write(`embedded store: ${message}\n`);
const s3 = await startEmbeddedS3({ dataDir: join(dataDir, "s3"), report });
const sqs = await startEmbeddedSqs({ dataDir: join(dataDir, "sqs"), report });

const methods = {
  endpoints: () => ({ s3: s3.url, sqs: sqs.url }),
  close: async () => {
    await s3.close();
    await sqs.close();
    await rm(dataDir, { recursive: true, force: true });
  },
};
export type StoresMethods = typeof methods;

offer(methods);
