/**
 * The embedded store on a disk that fills up, and a receiver that accepts every event: `node full-disk-child.ts DIRECTORY`, on its own file system of a few
 * MiB. Prints the log, how often the event was delivered, and whether the store recovers once the disk has space again.
 */
import { rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, PutBucketNotificationConfigurationCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { s3Client } from "../contract/aws.ts";

const directory = process.argv[2] ?? "";
const filler = join(directory, "filler");
let [deliveries, takes] = [0, false];
const receiver = http.createServer((request, response) => {
  request.resume().on("end", () => {
    if (takes) deliveries++;
    response.writeHead(takes ? 200 : 503).end();
  });
});
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/events`;
const told: string[] = [];
const server = await startEmbeddedS3({
  dataDir: join(directory, "s3"),
  targets: { relay: { endpoint, authToken: "t" } },
  retryMs: 100,
  report: (message) => told.push(message),
});
const client = s3Client(server.url);
await client.send(new CreateBucketCommand({ Bucket: "full" }));
const QueueConfigurations = [{ QueueArn: "arn:minio:sqs::relay:webhook", Events: ["s3:ObjectCreated:*" as const] }];
await client.send(
  new PutBucketNotificationConfigurationCommand({
    Bucket: "full",
    NotificationConfiguration: { QueueConfigurations },
  }),
);
await client.send(new PutObjectCommand({ Bucket: "full", Key: "a", Body: "a" }));
fill();
takes = true;
await until(() => deliveries > 0 && server.problem() !== undefined);
await sleep(1_000);
const whileFull = { deliveries, problem: server.problem() };
rmSync(filler);
await until(() => server.problem() === undefined);
await sleep(1_000);
const after = { deliveries, problem: server.problem() };
await client.send(new PutObjectCommand({ Bucket: "full", Key: "b", Body: "b" }));
await until(() => deliveries > 1);
process.stdout.write(JSON.stringify({ told, whileFull, after, deliveries }));
client.destroy();
await server.close();
receiver.closeAllConnections();
receiver.close();

/** The parent process is gone. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20);
}

function fill(): void {
  for (const block of [1024 * 1024, 4096, 1]) {
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(block), { flag: "a" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
}
