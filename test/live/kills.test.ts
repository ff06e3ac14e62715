import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureNotification } from "../../cli/resources.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { startWebhook, type Webhook } from "../contract/webhook.ts";
import { syncedFindings } from "../e2e/schema.ts";
import { DOJOS, type LiveDojo } from "./dojo.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { type SmallScan, smallScans } from "./many-scans.ts";
import { haveServers } from "./servers.ts";

const have = haveServers("hundreds of scans while relay and MinIO are killed", "minio", "elasticmq");

/** LIVE_SCANS: fewer for a real DefectDojo, which is slower. */
const SCANS = Number(process.env.LIVE_SCANS || 500);
const PRODUCTS = Math.ceil(SCANS / 10);

/** The process to kill when this share of the scans has receipts. */
const DEATHS = [
  { who: "relay", at: 0.1 },
  { who: "relay", at: 0.35 },
  { who: "minio", at: 0.55 },
  { who: "relay", at: 0.75 },
] as const;

/** How far uploads stay ahead of receipts, and how many more arrive while the relay is dead. */
const AHEAD = 40;
const MEANWHILE = 15;
const CONCURRENCY = 8;

const [row] = DOJOS;
/** Busy enough that a kill hits jobs in all of their steps. */
const BUSY = { timing: { fixedMs: 3, importMsPerFinding: 15, workers: 4 } };

describe.skipIf(!have)(`${SCANS} scans while the relay is killed and started three times, and MinIO once`, () => {
  const run = `live-${Date.now().toString(36)}`;
  const scans = smallScans(run, SCANS, PRODUCTS);
  const figures: Record<string, unknown> = { scans: SCANS, products: PRODUCTS };
  let dojo: LiveDojo;
  let watcher: Webhook;
  let installation: Installation;
  let receipts: ReadonlyMap<string, Receipt> | undefined;

  beforeAll(async () => {
    if (row === undefined) throw new Error("there is no DefectDojo");
    dojo = await row.open(BUSY);
    watcher = await startWebhook();
    const watch = { name: "WATCH", endpoint: `http://127.0.0.1:${watcher.port}/receipts`, token: "any" };
    installation = await startInstallation({
      dojo,
      servers: { minio: true, elasticmq: true },
      targets: [watch],
      env: { MAX_CONCURRENCY: String(CONCURRENCY), VISIBILITY_SECONDS: "10", HEARTBEAT_SECONDS: "10" },
    });
    // Consumers of receipts see each one once.
    await ensureNotification(installation.s3, installation.bucket, "arn:minio:sqs::WATCH:webhook", "defectdojo.json");
  });
  afterAll(async () => {
    if (receipts === undefined) {
      const there = new Set(await installation?.keys("", "/defectdojo.json"));
      const missing = scans.filter(({ name }) => !there.has(`${name}/defectdojo.json`));
      figures["without receipt"] = missing.map(({ name }) => name).join(" ");
    }
    process.stderr.write(
      `\n${Object.entries(figures)
        .map(([name, value]) => `${name}: ${value}`)
        .join(", ")}\n\n`,
    );
    await installation?.stop();
    await watcher?.close();
    await dojo?.close();
  });

  it("ends every scan with its receipt", async () => {
    const { relay, minio, eventually, keys } = installation;
    const started = performance.now();
    const uploads = startUploads(installation, scans);
    const receiptKeys = () => keys("", "/defectdojo.json");
    const eventsWaiting = async () =>
      (await readdir(minio?.eventsFolder ?? "", { recursive: true })).filter((name) => name.endsWith(".event")).length;
    const underWay = async () => (await keys("", "/defectdojo.pending.json")).length;
    /** Continues uploading until that many scans are complete. */
    const through = (count: number) =>
      eventually(`receipt ${count}`, async () => {
        const there = (await receiptKeys()).length;
        uploads.allow(there + AHEAD);
        return there >= count;
      });

    let waited = 0;
    for (const { who, at } of DEATHS) {
      await through(Math.ceil(at * SCANS));
      if (who === "minio") {
        await minio?.restart("SIGKILL");
        continue;
      }
      await eventually("a job under way", async () => {
        const there = (await receiptKeys()).length;
        uploads.allow(there + AHEAD);
        return there === SCANS || (await underWay()) > 0;
      });
      const { signal } = await relay.end("SIGKILL");
      expect(signal).toBe("SIGKILL");
      figures["jobs under way at kills"] = [figures["jobs under way at kills"] ?? [], await underWay()].flat();
      uploads.allow(uploads.allowed() + MEANWHILE);
      await eventually("events that wait for the relay", async () => {
        const now = await eventsWaiting();
        waited = Math.max(waited, now);
        return now > 0 || uploads.done() === SCANS;
      });
      await relay.start();
    }
    uploads.allow(SCANS);
    await uploads.finished;
    const settled = async () => {
      await eventually("the end of all events", async () => (await eventsWaiting()) === 0);
      await installation.idle();
    };
    await settled();
    // MinIO serves uploads a moment before it has read its notification rules, and tells nobody of them: the run book has a backfill after its starts.
    figures["found by backfill"] = await installation.backfill();
    await settled();
    figures.receipts = (await receiptKeys()).length;
    expect(figures.receipts).toBe(SCANS);
    Object.assign(figures, {
      "uploads sent again": uploads.repeated(),
      "most events seen waiting in queue_dir": waited,
      "seconds from the first upload to an empty queue": Math.round((performance.now() - started) / 1000),
    });
  });

  it("with one complete test in DefectDojo each, and none twice", async () => {
    receipts = new Map(await inParallel(scans, async (scan) => [scan.name, await installation.receipt(scan.key)]));
    await inParallel(scans, async ({ name }) => {
      const receipt = receipts?.get(name);
      expect(await dojo.tests({ title: name })).toMatchObject([
        { id: receipt?.test.id, build_id: receipt?.jobKey, percent_complete: 100 },
      ]);
      expect(await dojo.findingCount(receipt?.test.id ?? 0), name).toBe(2);
    });
    const ids = new Set([...(receipts?.values() ?? [])].map(({ test }) => test.id));
    const builds = new Set([...(receipts?.values() ?? [])].map(({ jobKey }) => jobKey));
    expect([ids.size, builds.size]).toEqual([SCANS, SCANS]);
    figures["tests in DefectDojo"] = ids.size;
    figures["different build ids"] = builds.size;
  });

  it("with DefectDojo's verdicts in every findings.json, and its original kept", async () => {
    await inParallel(scans, async ({ name, key, objects }) => {
      const receipt = receipts?.get(name);
      const findings = syncedFindings.parse(JSON.parse(String(await installation.get(key))));
      expect(findings).toHaveLength(2);
      for (const { attributes, scan } of findings) {
        expect(attributes["defectdojo.org/test-id"]).toBe(receipt?.test.id);
        expect(scan.name).toBe(name);
      }
      expect(receipt).toMatchObject({ outcome: "synced", findings: { count: 2 } });
      const original = await installation.get(key.replace("findings.json", "findings.original.json"));
      expect(String(original)).toBe(objects.at(-1)?.[1]);
    });
    figures["findings.json synced"] = SCANS;
  });

  it("with the common finding of each product new in one scan, and a duplicate in the others", () => {
    const byProduct = Map.groupBy(scans, ({ product }) => product);
    for (const [product, members] of byProduct) {
      const of = members.map(({ name }) => receipts?.get(name));
      const sum = (field: "new" | "duplicates") => of.reduce((total, receipt) => total + (receipt?.[field] ?? 0), 0);
      expect({ product, new: sum("new"), duplicates: sum("duplicates") }).toEqual({
        product,
        new: members.length + 1,
        duplicates: members.length - 1,
      });
    }
  });

  it("with receipts that landed once, no dead letter and nothing left over", async () => {
    const landings = landingsOf(watcher);
    const twice = [...landings].filter(([, etags]) => etags.size > 1);
    figures["receipts landed"] = landings.size;
    figures["receipts that landed twice"] = twice.length;
    expect(twice).toEqual([]);
    // MinIO may die between an object and its event. Who uploads gets no answer then, and sends it again; a receipt that is there is not written again.
    expect(landings.size).toBeGreaterThanOrEqual(SCANS - CONCURRENCY);
    const letters = await installation.takeDeadLetters();
    figures["dead letters"] = letters.length;
    expect(letters).toEqual([]);
    expect(await installation.keys("", "defectdojo.pending.json")).toEqual([]);
    expect(await installation.relay.end("SIGTERM")).toEqual({ code: 0, signal: null });
  });
});

// --- utils ---

interface Uploads {
  /** The number of uploads allowed so far. */
  allow(count: number): void;
  allowed(): number;
  done(): number;
  /** Number of retried requests. */
  repeated(): number;
  readonly finished: Promise<unknown>;
}

/** Uploads in parallel, each scan's findings last, and retries until each upload succeeds. */
function startUploads({ s3, bucket }: Installation, scans: readonly SmallScan[]): Uploads {
  let [allowed, done, repeated, next] = [AHEAD, 0, 0, 0];
  const put = async (Key: string, Body: string) => {
    for (;;) {
      try {
        return await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
      } catch {
        repeated++;
        await sleep(200);
      }
    }
  };
  const upload = async () => {
    for (let scan = scans[next++]; scan !== undefined; scan = scans[next++]) {
      const index = scans.indexOf(scan);
      while (index >= allowed) await sleep(50);
      for (const [name, body] of scan.objects) await put(scan.key.replace("findings.json", name), body);
      done++;
    }
  };
  return {
    allow: (count) => {
      allowed = Math.max(allowed, count);
    },
    allowed: () => allowed,
    done: () => done,
    repeated: () => repeated,
    finished: Promise.all(Array.from({ length: 6 }, upload)),
  };
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return results;
}

/** ETags by key. An event may be delivered twice, when MinIO dies; a receipt that is written twice has another ETag, by its times. */
function landingsOf({ deliveries }: Webhook): Map<string, Set<string>> {
  const seen = new Map<string, Set<string>>();
  for (const { body } of deliveries) {
    const event = JSON.parse(body) as { Key: string; Records: { s3: { object: { eTag: string } } }[] };
    const etags = seen.get(event.Key) ?? new Set();
    seen.set(event.Key, etags.add(event.Records[0]?.s3.object.eTag ?? ""));
  }
  return seen;
}
