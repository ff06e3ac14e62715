import { chmod, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CopyObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { expect, it } from "vitest";
import { startService } from "../../cli/runtime/service.ts";

it("hardened 6: DATA_DIR and its files are private, including files that an older version left readable", async () => {
  const parent = await mkdtemp(join(tmpdir(), "dojo-relay-modes-"));
  const dataDir = join(parent, "data");
  await mkdir(join(dataDir, "s3", "bodies"), { recursive: true, mode: 0o755 });
  await chmod(dataDir, 0o755);
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const service = await startService(
    { PORT: "0", DATA_DIR: dataDir, DEFECTDOJO_URL: "http://127.0.0.1:9", DEFECTDOJO_APIKEY: "k" },
    silent,
  );
  const { s3, sqs } = service.clients;
  const object = { Bucket: service.bucket, Key: "a" };
  await s3.send(new PutObjectCommand({ ...object, Body: "a" }));
  await s3.send(new CopyObjectCommand({ Bucket: service.bucket, Key: "b", CopySource: `${service.bucket}/a` }));
  await sqs.send(
    new SendMessageCommand({
      QueueUrl: service.dlqUrl,
      MessageBody: "x",
      MessageGroupId: "g",
      MessageDeduplicationId: "d",
    }),
  );
  const seen: Record<string, string> = {};
  for (const name of ["", ...(await readdir(dataDir, { recursive: true }))]) {
    const found = await stat(join(dataDir, name));
    seen[name] = `${found.isDirectory() ? "directory" : "file"} ${(found.mode & 0o777).toString(8)}`;
  }
  await service.stop();
  await rm(parent, { recursive: true });
  expect(Object.keys(seen).length).toBeGreaterThan(8);
  expect(new Set(Object.values(seen))).toEqual(new Set(["directory 700", "file 600"]));
});
