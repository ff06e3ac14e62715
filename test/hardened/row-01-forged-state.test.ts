import { describe, expect, it } from "vitest";
import { temporaryIndex } from "../../cli/runtime/history/scan-index.ts";
import { seenReceipt } from "../../cli/runtime/seen-scan.ts";
import { followRound } from "../../lib/follow/follow-round.ts";
import { type FollowState, followStateStore } from "../../lib/follow/follow-state.ts";
import { overtaken } from "../../lib/importer/outdated.ts";
import { receiptOf } from "../../lib/model/object-keys.ts";
import { followStateKey, leaseKey, noticeKey, testIndexKey } from "../../lib/model/state-keys.ts";
import { NOTICE_FORMATS } from "../../lib/notify/formats.ts";
import { notifyReceipt } from "../../lib/notify/notify-receipt.ts";
import { testIndex } from "../../lib/ports/test-index.ts";
import { testLeases } from "../../lib/ports/test-lease.ts";
import { addressKey } from "../../lib/sync/match/keys.ts";
import { cpuTimeMs } from "../helpers/cpu-time.ts";
import { aJob, aReceipt, aScan, FINDINGS } from "../helpers/factories.ts";
import { fakeClock } from "../helpers/fake-clock.ts";
import { memoryFeed } from "../helpers/memory-feed.ts";
import { memoryQueue } from "../helpers/memory-queue.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";

const FAR = "9999-12-31T23:59:59.999Z";
const BUCKET = FINDINGS.bucket;
const aRun = (jobKey: string) => ({ jobKey, begunAt: "2026-11-24T02:00:00Z" });
const at = (key: string) => ({ bucket: BUCKET, key });

describe("hardened 1: forged relay state below .dojo-relay/", () => {
  it("a lease until the year 9999 blocks no run from its living test", async () => {
    const [storage, clock] = [memoryStorage(), fakeClock()];
    const leases = testLeases(storage, BUCKET, clock);
    storage.put(at(leaseKey("place")), JSON.stringify({ version: 1, jobKey: "forged", until: FAR }));
    expect(await leases.take("place", aRun("mine"), clock.now() + 900_000)).toBeUndefined();
    expect(await leases.take("place", aRun("another"), clock.now() + 900_000)).toBe(clock.now() + 900_000);
  });

  it("a run that begins in the year 9999 makes no other run outdated", () => {
    const [now, living] = [fakeClock().now(), { id: 1, buildId: aReceipt().jobKey }];
    expect(overtaken(living, new Date(now).toISOString(), aScan(), now)).toBeDefined();
    expect(overtaken(living, FAR, aScan(), now)).toBeUndefined();
  });

  it("a message marked as in progress in the year 9999 is sent", async () => {
    const w = notices({ sending: { id: "forged", at: FAR } });
    expect(await w.tell()).toMatchObject({ outcome: "sent" });
  });

  it.each<[string, Partial<FollowState>]>([
    ["a watermark in the year 9999", { watermark: FAR, settled: true }],
    ["findings that were handled in the year 9999", { handled: { 1: FAR, 2: FAR } }],
    ["clocks in the year 9999", { movedAt: FAR, lookedAt: FAR }],
    ["a million recent tests", { recent: Array.from({ length: 1_000_000 }, (_, n) => n), next: -7 }],
  ])("%s: verdicts are followed from then on", async (_, forged) => {
    const w = following();
    await w.round();
    w.forge(forged);
    await w.round();
    w.clock.advance(60_000);
    w.feed.judge(1, w.now());
    await w.round();
    expect(w.enqueued()).toContain("scan-1/findings.json");
    expect(w.enqueued()).toEqual([]);
    w.feed.review(2, true);
    w.clock.advance(700_000);
    await w.round();
    expect(w.enqueued()).toContain("scan-1/findings.json");
  });

  it("an index entry with an invalid message group is skipped and stops no round", async () => {
    const w = following();
    await w.round();
    for (const group of ["", "two words", "ü", "g".repeat(129), "\n"])
      expect(await w.entryWith({ group })).toBeUndefined();
    expect(await w.entryWith({ group: "g".repeat(128) })).toBeDefined();
  });
});

describe("hardened 1: forged receipts and findings in page and messages", () => {
  it("huge counts leave the plot of a product readable", () => {
    const index = temporaryIndex();
    for (const name of ["a", "b", "c"]) {
      const job = aJob({ key: `${name}/findings.json` });
      const receipt = aReceipt(job, { new: Number.MAX_SAFE_INTEGER, duplicates: Number.MAX_SAFE_INTEGER });
      const imported = "2026-11-28T01:10:00.000Z";
      index.put({ key: job.key, etag: "e", jobKey: receipt.jobKey, imported, seen: seenReceipt(job, receipt) });
    }
    expect(index.moments(aReceipt().product.name)).toMatchObject([{ scans: 3, new: expect.any(Number) }]);
    index.close();
  });

  it("a chat message contains only web URLs, no injected line and no mention", async () => {
    const evil = "Fine\n• *Critical* <!channel> <https://evil.example|here>\r\n@everyone <at>all</at>";
    const urls = ["javascript:alert(1)", "data:text/html,x", "%E0%A4%A", "https://dojo/%E0%A4%A|<x>", "not an address"];
    const w = notices({}, evil, urls);
    const { notice } = await w.tell();
    if (notice === undefined) throw new Error("nothing was told");
    const slack = (NOTICE_FORMATS.slack(notice) as { text: string }).text;
    expect(slack.split("\n")).toHaveLength(2 + urls.length);
    expect(slack).not.toMatch(/<!|<https:\/\/evil|javascript:|data:text/);
    const teams = JSON.stringify(NOTICE_FORMATS.teams(notice));
    expect(teams).not.toMatch(/[^\\]<at>|javascript:|data:text|"text":"[^"]*\\n/);
    expect(NOTICE_FORMATS.json(notice)).toMatchObject({ test: { url: "" } });
  });
});

describe("hardened 1: an uploader's texts in patterns", () => {
  it("compares a path of a hundred thousand slashes at once and delays nothing else", () => {
    const location = `https://shop.example.com${"/".repeat(100_000)}!`;
    expect(cpuTimeMs(() => addressKey(location))).toBeLessThan(1_000);
    expect(addressKey("https://shop.example.com/a//")).toBe(addressKey("https://shop.example.com/a"));
  });
});

/** A receipt to be notified about, with forged content. */
function notices(state: object, name = "Finding", urls: readonly string[] = ["https://dojo/finding/1"]) {
  const [storage, clock] = [memoryStorage(), fakeClock()];
  const findings = urls.map((url, id) => ({
    ...{ name, severity: "HIGH", location: name },
    attributes: { "defectdojo.org/finding-id": id + 1, "defectdojo.org/finding-url": url, active: true },
  }));
  const receipt = aReceipt(undefined, { new: 1, test: { id: 1, name: "test", url: "javascript:alert(1)" } });
  storage.put(FINDINGS, JSON.stringify(findings));
  storage.put(receiptOf(FINDINGS), JSON.stringify(receipt));
  if (Object.keys(state).length > 0) {
    const told = { version: 1, findings: "", jobKey: receipt.jobKey, told: [], ...state };
    storage.put(at(noticeKey(FINDINGS)), JSON.stringify(told));
  }
  const webhook = { send: async () => undefined };
  const ports = { ...recorder(), storage, webhook, clock };
  return { tell: () => notifyReceipt(FINDINGS, ports, { format: "json", minimumSeverity: "Medium" }) };
}

/** A follower of one test with two findings, whose state a stranger writes. */
function following() {
  const clock = fakeClock();
  const [storage, queue, feed] = [memoryStorage(), memoryQueue(), memoryFeed()];
  const { log, metrics } = recorder();
  const urlOf = (id: number) => `https://dojo/test/${id}`;
  const index = testIndex(storage, BUCKET, urlOf);
  const state = at(followStateKey("https://dojo"));
  const now = () => new Date(clock.now()).toISOString();
  const entry = { version: 1, key: "scan-1/findings.json", etag: "e", jobKey: "j", group: "g", importedAt: now() };
  storage.put(at(testIndexKey(urlOf(1))), JSON.stringify(entry));
  for (let n = 0; n < 2; n++) feed.add(1, now());
  return {
    ...{ clock, feed, now },
    /** With a follower that has just started. */
    round: () =>
      followRound(
        { log, metrics, feed, index, state: followStateStore(storage, state, log), queue, clock },
        { bucket: BUCKET, since: undefined },
      ),
    forge: (fields: Partial<FollowState>) =>
      void storage.put(state, JSON.stringify({ ...JSON.parse(storage.text(state) ?? ""), ...fields })),
    enqueued: () => queue.sent.splice(0).map(({ body }) => (JSON.parse(body) as { key: string }).key),
    entryWith: async (fields: object) => {
      storage.put(at(testIndexKey(urlOf(2))), JSON.stringify({ ...entry, ...fields }));
      return await index.find(2);
    },
  };
}
