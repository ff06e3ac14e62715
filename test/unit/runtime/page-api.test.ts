import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findingsIndex } from "../../../cli/runtime/history/findings-index.ts";
import { startHistory } from "../../../cli/runtime/history/history.ts";
import { temporaryIndex } from "../../../cli/runtime/history/scan-index.ts";
import { apiRoutes, type PageBackend } from "../../../cli/runtime/page-api.ts";
import type { Reply } from "../../../cli/runtime/receiver.ts";
import { RelayError } from "../../../lib/errors.ts";
import { decodeJob, productGroup } from "../../../lib/model/job.ts";
import { receiptOf, uri } from "../../../lib/model/object-keys.ts";
import { rememberSecrets } from "../../../lib/util/secrets.ts";
import { aFinding, aJob, aReceipt, FINDINGS } from "../../helpers/factories.ts";
import { type MemoryQueue, memoryQueue } from "../../helpers/memory-queue.ts";
import { type MemoryStorage, memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";

const ID = `${FINDINGS.bucket}/${FINDINGS.key}`;

let storage: MemoryStorage;
let queue: MemoryQueue;
let backend: PageBackend;
/** By id: how many dead letters there are. */
let letters: Record<string, number>;
beforeEach(() => {
  storage = memoryStorage();
  queue = memoryQueue();
  letters = {};
  const { log } = recorder();
  const { bucket } = FINDINGS;
  const take = async (id: string) => letters[id] ?? 0;
  backend = {
    ...{ bucket, findingsName: "findings.json", storage, queue, log },
    history: startHistory({ storage, bucket, index: temporaryIndex(), log }),
    findings: findingsIndex(storage),
    letters: { look: async () => undefined, redrive: take, drop: take },
  };
});
afterEach(async () => {
  await backend.history.stop();
  backend.findings.close();
});

/** What a route answers; its body as JSON where it is. */
async function ask(route: string, asked: Record<string, string> = {}, there: PageBackend | undefined = backend) {
  const url = new URL(`http://relay.invalid/?${new URLSearchParams(asked)}`);
  const body = async () => Buffer.from(JSON.stringify(asked));
  const reply = (await apiRoutes(() => there)[route]?.({ url, body } as never)) as Reply;
  return { ...reply, json: reply.type === "application/json" ? JSON.parse(reply.body ?? "") : undefined };
}

function putScan(changes = {}) {
  const receipt = aReceipt(aJob(), changes);
  storage.put(receiptOf(FINDINGS), JSON.stringify(receipt));
  storage.put(FINDINGS, JSON.stringify([aFinding()]));
  return receipt;
}

describe("the page's requests", () => {
  it("are refused while the service starts", async () => {
    const routes = apiRoutes(() => undefined);
    const reply = await routes["GET /api/history"]?.({ url: new URL("http://relay.invalid/") } as never);
    expect(reply).toMatchObject({ status: 503 });
  });

  it("returns a scan with its receipt and findings", async () => {
    const receipt = putScan();
    expect((await ask("GET /api/scan", { id: ID })).json).toMatchObject({ scan: { id: ID }, receipt });
    const { json } = await ask("GET /api/findings", { id: ID, offset: "-3" });
    expect(json).toMatchObject({ total: 1, findings: [{ name: aFinding().name }] });
  });

  it("shows an outdated scan as done, with nothing imported", async () => {
    const outdated = { laterRunAt: "2026-11-23T02:00:00.000Z", why: "test 7 has a later run", advice: "Force it." };
    putScan({ outcome: "outdated", outdated });
    const { scan } = (await ask("GET /api/scan", { id: ID })).json;
    expect(scan).toMatchObject({ state: "done", why: "outdated: test 7 has a later run. Force it." });
    expect(scan).not.toHaveProperty("importedAs");
  });

  it("filters the history, and continues where a page ended", async () => {
    const job = aJob();
    const receipt = putScan({ finishedAt: "2026-11-02T00:00:00.000Z" });
    backend.history.see({ state: "done", job, outcome: { outcome: "synced", receipt } });
    const found = async (asked: Record<string, string>) => (await ask("GET /api/history", asked)).json.scans.length;
    expect(await found({})).toBe(1);
    expect(await found({ text: " nmap " })).toBe(1);
    expect(await found({ product: "other" })).toBe(0);
    expect(await found({ at: "2026-11-02T00:00:00.000Z", key: FINDINGS.key })).toBe(0);
    expect(await found({ at: "2026-11-02T00:00:00.000Z", key: "z" })).toBe(1);
    expect((await ask("GET /api/choices")).json).toMatchObject({ types: ["nmap"] });
    expect((await ask("GET /api/moments", { product: "nmap-example" })).json.moments).toHaveLength(1);
  });

  it("reports an unreachable bucket with advice", async () => {
    putScan();
    storage.before = (_, ref) => {
      throw new RelayError("storage-unavailable", `${uri(ref)}: connection refused`);
    };
    for (const question of ["GET /api/scan", "GET /api/findings"]) {
      const { status, body } = await ask(question, { id: ID });
      expect(status).toBe(503);
      expect(body).toMatch(/connection refused\nThe object store failed/);
    }
  });

  it("answers 404 for what is missing, and 400 for a foreign object", async () => {
    expect((await ask("GET /api/scan", { id: ID })).status).toBe(404);
    expect((await ask("GET /api/findings", { id: ID })).status).toBe(404);
    expect((await ask("GET /api/findings", { id: "other/scan/findings.json" })).status).toBe(400);
  });

  it("no answer contains a secret of the process", async () => {
    rememberSecrets(["the-very-secret-key"]);
    putScan({ warnings: ["echoed: the-very-secret-key"] });
    const { body } = await ask("GET /api/scan", { id: ID });
    expect(body).toContain("echoed: [secret]");
    expect(body).not.toContain("the-very-secret-key");
  });
});

describe("the page's buttons", () => {
  it("a resync sends the same job as `follow`, in a new message each time", async () => {
    const { etag, product } = putScan();
    for (let times = 0; times < 2; times++)
      expect((await ask("POST /api/resync", { id: ID })).json).toEqual({ enqueued: 1 });
    const [first, second] = queue.sent;
    expect(decodeJob(first?.body ?? "", "")).toEqual({ version: 1, kind: "resync", ...FINDINGS, etag });
    expect(first?.group).toBe(productGroup(product.name));
    expect(first?.deduplicationId).not.toBe(second?.deduplicationId);
  });

  it.each([
    ["redrive", "moved"],
    ["drop", "dropped"],
  ])("%s tells how many messages it %s", async (action, told) => {
    letters[ID] = 2;
    expect((await ask(`POST /api/${action}`, { id: ID })).json).toEqual({ [told]: 2 });
    expect((await ask(`POST /api/${action}`, { id: "other" })).status).toBe(404);
  });
});
