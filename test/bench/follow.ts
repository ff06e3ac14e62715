import { setTimeout as sleep } from "node:timers/promises";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { readResyncConfig } from "../../lib/config.ts";
import { dojoPort } from "../../lib/defectdojo/dojo-port.ts";
import { receiptOf } from "../../lib/model/object-keys.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import { resyncScans } from "../../lib/sync/resync-scans.ts";
import { resyncSettings } from "../../lib/sync/settings.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { mapInOrder } from "../../lib/util/concurrency.ts";
import { startChild } from "./rpc.ts";
import { paceOf, type Servers, startServers } from "./servers.ts";
import type { ServiceMethods } from "./service-child.ts";
import { notify, type Scan, TOKEN, upload } from "./throughput.ts";
import { benchFinding } from "./workload.ts";

export interface FollowOptions {
  readonly scans: number;
  readonly products: number;
  readonly findingsEach: number;
  readonly followSeconds: number;
  readonly idleMinutes: number;
}

interface Followed {
  readonly what: string;
  readonly changes: number;
  /** To DefectDojo. */
  readonly requests: number;
  /** From the last verdict to the last receipt that tells of one. */
  readonly seconds: number | "";
  readonly rssMiB: number | "";
}

/** Imports are not what is measured here: a hundred times faster. */
const IMPORTING = 0.01;
/** The margin, and two rounds more. */
const SETTLED_MS = 60_000;
/** After so long without a change, rounds are rarer. */
const IDLE_MS = 330_000;

/** What verdicts cost, of many scans: idle, few and many of them, and the daily resync of all. DefectDojo has its measured pace. */
export async function followed(options: FollowOptions): Promise<Followed[]> {
  const servers = await startServers({ timing: paceOf(IMPORTING) });
  const service = await startChild<ServiceMethods>("service-child.ts");
  try {
    const started = await service.call.start({
      ...servers.env,
      BUCKET: servers.bucket,
      WEBHOOK_TOKEN: TOKEN,
      POLL_SECONDS: "0.1",
      FOLLOW_SECONDS: String(options.followSeconds),
    });
    const half = Math.ceil(options.findingsEach / 2);
    // Half of a scan's findings are its own, and half are the product's.
    const findingOf = (place: number, scan: number) =>
      benchFinding(place < half ? 1_000 * (scan + 1) + place : place, scan);
    const scans = await upload(servers, { ...options, findingOf });
    await notify(`${started.url}/events`, servers.bucket, scans, 200);
    for (let done = 0; done < scans.length; await sleep(500))
      done += (await service.call.steps()).filter(({ state }) => state === "done").length;
    await servers.pace(1);
    const settled = () => sleep(SETTLED_MS + 2.5 * options.followSeconds * 1_000);
    await settled();
    const rss = async () => Math.round(await service.call.rssMiB());
    await sleep(IDLE_MS);
    const rows: Followed[] = [await idle(servers, options, rss)];
    for (const changes of [10, options.scans]) {
      rows.push({ ...(await judged(servers, scans.slice(0, changes))), rssMiB: await rss() });
      await settled();
    }
    await service.call.close();
    rows.push(await daily(servers));
    return rows;
  } finally {
    await service.stop();
    await servers.stop();
  }
}

async function idle(servers: Servers, options: FollowOptions, rss: () => Promise<number>): Promise<Followed> {
  await servers.requests();
  await sleep(options.idleMinutes * 60_000);
  const requests = await servers.requests();
  return { what: `${options.idleMinutes} idle minutes`, changes: 0, requests, seconds: "", rssMiB: await rss() };
}

/** A false positive in each of the scans. */
async function judged(servers: Servers, scans: readonly Scan[]): Promise<Omit<Followed, "rssMiB">> {
  const storage = s3Storage(servers.s3);
  const before = new Map<string, number>();
  const headers = { authorization: `Token ${servers.dojo.apiKey}`, "content-type": "application/json" };
  const ids = mapInOrder(scans, 8, async (scan) => {
    const { test, falsePositives } = await receiptAt(storage, servers.bucket, scan.key);
    before.set(scan.key, falsePositives);
    const query = `test=${test.id}&false_p=false&duplicate=false&limit=1`;
    const answer = await fetch(`${servers.dojo.url}/api/v2/findings/?${query}`, { headers });
    const { results } = (await answer.json()) as { results: { id: number }[] };
    return results[0]?.id;
  });
  const findings: number[] = [];
  for await (const id of ids) if (id !== undefined) findings.push(id);
  const body = JSON.stringify({ false_p: true, active: false, verified: false });
  const given = mapInOrder(findings, 8, async (id) => {
    await fetch(`${servers.dojo.url}/api/v2/findings/${id}/`, { method: "PATCH", headers, body });
  });
  for await (const _ of given);
  const begun = Date.now();
  await servers.requests();
  const changed = async ({ key }: Scan) =>
    (await receiptAt(storage, servers.bucket, key)).falsePositives > (before.get(key) ?? 0);
  const open = scans.slice(0, findings.length);
  while (open.length > 0) {
    if (await changed(open[0] as Scan)) open.shift();
    else await sleep(200);
  }
  const seconds = Math.round((Date.now() - begun) / 100) / 10;
  return { what: "verdicts", changes: findings.length, requests: await servers.requests(), seconds };
}

async function receiptAt(storage: Storage, bucket: string, key: string) {
  const found = await storage.read(receiptOf({ bucket, key }));
  const chunks: Buffer[] = [];
  for await (const chunk of found?.body ?? []) chunks.push(Buffer.from(chunk));
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as { test: { id: number }; falsePositives: number };
}

async function daily(servers: Servers): Promise<Followed> {
  const config = readResyncConfig({ ...servers.env, BUCKET: servers.bucket });
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const metrics = { add: () => undefined };
  const dojo = dojoPort(config, {});
  const ports = { storage: s3Storage(servers.s3), dojo, clock: systemClock, log, metrics };
  await servers.requests();
  const begun = Date.now();
  for await (const _ of resyncScans(ports, { ...resyncSettings(config), since: undefined, stop: () => false }));
  const seconds = Math.round((Date.now() - begun) / 100) / 10;
  return { what: "daily resync of all", changes: 0, requests: await servers.requests(), seconds, rssMiB: "" };
}
