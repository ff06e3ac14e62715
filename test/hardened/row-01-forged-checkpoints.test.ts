import { describe, expect, it } from "vitest";
import { MAX_RECEIVE_COUNT } from "../../cli/resources.ts";
import { RelayError } from "../../lib/errors.ts";
import { MOST_WAITS } from "../../lib/importer/believable.ts";
import { ownMetadata } from "../../lib/model/receipt.ts";
import { anyJson, anyText, mutated } from "../helpers/arbitraries.ts";
import { aJob, aReceipt, aTest, FINDINGS } from "../helpers/factories.ts";
import { fc } from "../helpers/property.ts";
import { hostileBucket, JOB, KEY, PENDING, RECEIPT, SETTLE_MS, STALLED_MS } from "./hostile-bucket.ts";

const FAR = "9999-12-31T23:59:59.999Z";
const forged = (fields: object) => JSON.stringify({ version: 1, jobKey: KEY, refusals: 0, ...fields });

describe("hardened 1: a forged checkpoint", () => {
  it.each([
    ["lostAt in the year 9999", { postedAt: "2026-11-24T11:00:00.000Z", lostAt: FAR }],
    ["both times there", { postedAt: FAR, lostAt: FAR }],
    ["no times", { postedAt: "never", lostAt: "" }],
    ["a time of another calendar", { postedAt: "+275760-09-13T00:00:00.000Z", lostAt: "+275760-09-13T00:00:00.000Z" }],
    ["lostAt a little ahead, by a clock that was corrected", { postedAt: FAR, lostAt: "2026-11-24T13:00:00.000Z" }],
  ])("with %s makes its job wait no longer than the setting, once", async (_, fields) => {
    const w = hostileBucket();
    w.storage.put(PENDING, forged(fields));
    const { outcome, deliveries, busyMs, imports } = await w.play();
    expect(outcome).toMatchObject({ settled: true, outcome: { outcome: "synced" } });
    expect(deliveries).toBe(1);
    expect(busyMs).toBeLessThanOrEqual(SETTLE_MS + 10_000);
    expect(imports).toBe(1);
  });

  it("with countless waits hides no failure", async () => {
    const w = hostileBucket({
      testsByBuildId: async () => {
        throw new RelayError("dojo-unavailable", "down", { object: "GET /api/v2/tests/" });
      },
    });
    w.storage.put(PENDING, forged({ waits: { messageId: "m-1", count: Number.MAX_SAFE_INTEGER } }));
    const { outcome, deliveries } = await w.play(250, () => {
      w.storage.put(PENDING, forged({ waits: { messageId: "m-1", count: -7 } }));
    });
    expect(outcome).toMatchObject({ settled: true, deadLettered: { reason: "dojo-unavailable" } });
    expect(deliveries).toBe(5);
  });

  it("that is rewritten before each delivery gains only a limited number of waits, which then count as failures", async () => {
    const w = hostileBucket({
      testsByBuildId: async () => [aTest({ id: 3, buildId: KEY, percentComplete: 50 })],
      deleteTest: async () => false,
    });
    let count = 0;
    const { outcome, deliveries } = await w.play(MAX_RECEIVE_COUNT, () => {
      // The forged state claims a running import that always progresses.
      w.storage.put(
        PENDING,
        forged({ waits: { messageId: "m-1", count: count++ }, progress: { testId: 3, findings: count, since: FAR } }),
      );
    });
    expect(deliveries).toBeLessThanOrEqual(MOST_WAITS + 5);
    expect(outcome).toMatchObject({ settled: true, deadLettered: expect.any(RelayError) });
  });

  it("the limit of waits is below the deliveries after which the queue gives up without a reason", () => {
    expect(MOST_WAITS + 20).toBeLessThan(MAX_RECEIVE_COUNT);
  });

  it("progress in the future does not keep a dead import alive", async () => {
    const w = hostileBucket();
    w.tests.push(aTest({ id: 3, buildId: KEY, percentComplete: 50 }));
    w.storage.put(PENDING, forged({ progress: { testId: 3, findings: 0, since: FAR } }));
    const { outcome, busyMs } = await w.play();
    expect(outcome).toMatchObject({ settled: true, outcome: { outcome: "synced" } });
    expect(busyMs).toBeLessThanOrEqual(STALLED_MS + 60_000);
  });
});

describe("hardened 1: other objects that an uploader can write", () => {
  it("a receipt that names another scan's test copies nothing of it into the folder: the test's build id decides", async () => {
    const asked: number[] = [];
    const w = hostileBucket({
      findingPages: async function* (testId) {
        asked.push(testId);
        yield { total: 0, findings: [], originals: new Map() };
      },
    });
    const anothers = aReceipt(JOB, { test: { id: 4711, name: "another's", url: "javascript:alert(1)" } });
    w.storage.put(RECEIPT, JSON.stringify(anothers));
    await w.play();
    expect(asked).not.toContain(4711);
  });

  it("2,000 forged checkpoints, receipts and metadata: each job ends in a regular outcome, in bounded time and deliveries", async () => {
    const time = fc.oneof(
      fc.constantFrom(
        FAR,
        "",
        "0000",
        "2026-11-24T12:00:00.000Z",
        "1970-01-01T00:00:00Z",
        "-271821-04-20T00:00:00.000Z",
      ),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      anyText(10),
    );
    const number = fc.oneof(fc.integer(), fc.constantFrom(Number.MAX_SAFE_INTEGER, -1, 0, 3, 7));
    const optional = { requiredKeys: ["version", "jobKey"] as ["version", "jobKey"] };
    const checkpoint = fc.record(
      {
        version: fc.constant(1),
        jobKey: fc.constant(KEY),
        postedAt: time,
        lostAt: time,
        unanswered: anyText(20),
        expected: number,
        refusals: number,
        fellBack: anyText(20),
        repairs: fc.array(anyText(5), { maxLength: 3 }),
        progress: fc.record({ testId: number, findings: number, since: time }),
        waits: fc.record({ messageId: fc.constantFrom("m-1", "other"), count: number }),
      },
      optional,
    );
    const text = fc.oneof(
      { weight: 6, arbitrary: checkpoint.map((value) => JSON.stringify(value)) },
      mutated(JSON.parse(forged({ postedAt: FAR, lostAt: FAR }))).map((value) => JSON.stringify(value) ?? ""),
      anyJson().map((value) => JSON.stringify(value) ?? ""),
      anyText(),
    );
    const receipt = fc.oneof(
      fc.constant(undefined),
      fc.constant(JSON.stringify(aReceipt(JOB))),
      mutated(aReceipt(JOB)).map((value) => JSON.stringify(value) ?? ""),
      anyText(),
    );
    const metadata = fc.constantFrom<Record<string, string> | undefined>(
      undefined,
      ownMetadata(JOB),
      ownMetadata(aJob({ etag: "another" })),
      { "dojo-relay-job": KEY, "dojo-relay-etag": "x" },
    );
    const percent = fc.option(fc.constantFrom(0, 50, 100), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(text, receipt, metadata, percent, async (noted, told, own, inDojo) => {
        const w = hostileBucket();
        w.storage.put(PENDING, noted);
        if (told !== undefined) w.storage.put(RECEIPT, told);
        if (own !== undefined) w.storage.put(FINDINGS, "[]", own);
        if (inDojo !== undefined) w.tests.push(aTest({ id: 3, buildId: KEY, percentComplete: inDojo }));
        const { outcome, deliveries, busyMs, imports } = await w.play();
        expect(outcome.settled).toBe(true);
        if (outcome.settled && outcome.deadLettered) expect(outcome.deadLettered.reason).not.toBe("internal");
        expect(imports).toBeLessThanOrEqual(3);
        // The time that an honest upload may take after a lost or stalled import.
        expect(deliveries).toBeLessThanOrEqual(10);
        expect(busyMs).toBeLessThanOrEqual(2 * (SETTLE_MS + STALLED_MS));
      }),
      { numRuns: 2_000 },
    );
  }, 300_000);
});
