import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { diskHealth } from "../../infra/local/disk-health.ts";
import { createEventQueue } from "../../infra/local/s3/event-queue.ts";
import { S3_SCHEMA } from "../../infra/local/s3/store.ts";

const PATIENCE = { timeout: 30_000 };
const ARN = "arn:minio:sqs::relay:webhook";
/** Needs the permission to mount a file system in a namespace. */
const ownDisk = ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", tmpdir()] as const;
const canMount = process.platform === "linux" && spawnSync(ownDisk[0], ownDisk.slice(1)).status === 0;

describe("hardened 3: a full disk", () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  const receiver = async () => {
    let deliveries = 0;
    const server = http.createServer((request, response) => {
      deliveries++;
      request.resume().on("end", () => response.writeHead(200).end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
      deliveries: () => deliveries,
    };
  };

  it("does not resend a delivered event that cannot be removed, and removes it later", async () => {
    const { endpoint, deliveries } = await receiver();
    const database = new DatabaseSync(":memory:");
    database.exec(S3_SCHEMA);
    database.exec("CREATE TRIGGER refuse BEFORE DELETE ON events BEGIN SELECT RAISE(FAIL, 'no room'); END");
    const told: string[] = [];
    const report = (message: string) => told.push(message);
    const targets = { relay: { endpoint, authToken: "" } };
    const queue = createEventQueue({ database, targets, retryMs: 20, report, disk: diskHealth("/data", report) });
    closers.push(() => queue.close());
    queue.add(ARN, "{}");
    queue.wake();
    await expect.poll(() => told.length, PATIENCE).toBe(1);
    await sleep(500);
    expect(deliveries()).toBe(1);
    expect(told).toEqual([expect.stringContaining("cannot be struck off")]);
    database.exec("DROP TRIGGER refuse");
    await expect.poll(() => database.prepare("SELECT count(*) AS n FROM events").get()?.n, PATIENCE).toBe(0);
    queue.add(ARN, "{}");
    queue.wake();
    await expect.poll(deliveries, PATIENCE).toBe(2);
  });

  it("logs disk errors once, and once more when writes succeed again", async () => {
    const directory = await mkdtemp(join(tmpdir(), "dojo-relay-disk-"));
    closers.push(() => rm(directory, { recursive: true, force: true }));
    const told: string[] = [];
    const disk = diskHealth(directory, (message) => told.push(message));
    expect(disk.failed(new Error("something else"))).toBe(false);
    expect(disk.problem()).toBeUndefined();
    const small = new DatabaseSync(":memory:");
    small.exec("PRAGMA max_page_count = 2; CREATE TABLE t (x)");
    const full = () => small.prepare("INSERT INTO t VALUES (zeroblob(100000))").run();
    for (let time = 0; time < 3; time++) {
      let thrown: unknown;
      try {
        full();
      } catch (error) {
        thrown = error;
      }
      expect(disk.failed(thrown)).toBe(true);
    }
    expect(told).toEqual([expect.stringMatching(/is full: nothing new is taken/)]);
    await rm(directory, { recursive: true });
    expect(disk.problem()).toBe(`the disk of ${directory} is full`);
  });

  it.skipIf(!canMount)(
    "on a real full disk: one delivery, one log line, and recovery once there is space",
    async () => {
      const directory = await mkdtemp(join(tmpdir(), "dojo-relay-full-"));
      closers.push(() => rm(directory, { recursive: true, force: true }));
      const child = join(import.meta.dirname, "full-disk-child.ts");
      const script = 'mount -t tmpfs -o size=6m tmpfs "$1" && exec "$2" "$3" "$1"';
      const { stdout, stderr } = spawnSync(
        "unshare",
        ["-Urm", "sh", "-c", script, "sh", directory, process.execPath, child],
        { encoding: "utf8" },
      );
      expect(stderr).not.toMatch(/Error/);
      const seen = JSON.parse(stdout);
      expect(seen.whileFull).toEqual({ deliveries: 1, problem: expect.stringContaining("is full") });
      expect(seen.after).toEqual({ deliveries: 1, problem: undefined });
      expect(seen.deliveries).toBe(2);
      expect(seen.told.filter((line: string) => line.includes("is full"))).toHaveLength(1);
      expect(seen.told.filter((line: string) => line.includes("takes writes again"))).toHaveLength(1);
    },
  );
});

if (!canMount) process.stderr.write("SKIPPED: no file system of one's own can be mounted here: no really full disk\n");
