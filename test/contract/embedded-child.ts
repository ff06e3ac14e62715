/** Runs both embedded servers in a separate process, for tests that kill it: `node embedded-child.ts <directory>`. */
import { join } from "node:path";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";

const directory = process.argv[2] ?? "";
const relay = { endpoint: "http://127.0.0.1:9/nobody-is-there", authToken: "token" };
const s3 = await startEmbeddedS3({ dataDir: join(directory, "s3"), targets: { relay } });
const sqs = await startEmbeddedSqs({ dataDir: join(directory, "sqs") });
process.stdout.write(`${JSON.stringify({ s3: s3.url, sqs: sqs.url })}\n`);
