import { describe, expect, it } from "vitest";
import { followRound } from "../../../lib/follow/follow-round.ts";
import { followStateStore } from "../../../lib/follow/follow-state.ts";
import { OFF_FEED_CHECK_MS } from "../../../lib/follow/off-feed-check.ts";
import { decodeJob } from "../../../lib/model/job.ts";
import { testIndex } from "../../../lib/ports/test-index.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { memoryFeed, NOTHING_ASKED } from "../../helpers/memory-feed.ts";
import { memoryQueue } from "../../helpers/memory-queue.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";

const BUCKET = "bucket";
const STATE = { bucket: BUCKET, key: ".dojo-relay/follow/x.json" };
const START = "2026-11-24T12:00:00.000Z";
const urlOf = (test: number) => `https://dojo.example.com/test/${test}`;

function world() {
  const clock = fakeClock(START);
  const [storage, queue, feed] = [memoryStorage(), memoryQueue(), memoryFeed()];
  const index = testIndex(storage, BUCKET, urlOf);
  const { log, metrics } = recorder();
  const follower = (since?: string) => {
    const state = followStateStore(storage, STATE, log);
    return () => followRound({ log, metrics, feed, index, state, queue, clock }, { bucket: BUCKET, since });
  };
  const now = () => new Date(clock.now()).toISOString();
  /** A scan of the relay, with findings; the index is written as the importer does. */
  const scan = async (testId: number, findings: number, originals: readonly number[] = []) => {
    const key = `scan-${testId}/findings.json`;
    const entry = { version: 1, key, etag: "e", jobKey: `job-${testId}`, group: "g", importedAt: now() } as const;
    await index.put(testId, entry);
    return Array.from({ length: findings }, (_, n) => feed.add(testId, now(), originals[n]));
  };
  const enqueued = () => queue.sent.splice(0).map(({ body }) => decodeJob(body, "message").key);
  return { clock, storage, queue, feed, index, follower, now, scan, enqueued };
}

describe("a round of follow", () => {
  it("asks for one small page when nothing changed, however many findings there are", async () => {
    const w = world();
    await w.scan(1, 1_000);
    const round = w.follower();
    await round();
    w.clock.advance(3_600_000);
    await round(); // the off-feed check is due here
    w.feed.asked.changes = 0;
    for (let minute = 0; minute < 9; minute++) {
      w.clock.advance(60_000);
      expect(await round()).toMatchObject({ changes: 0, resyncs: 0 });
    }
    expect(w.feed.asked.changes).toBe(9);
  });

  it.each([
    [10, { reviews: 1, places: 1, contents: 1 }],
    [100, { reviews: 1, places: 1, contents: 1 }],
    [1_000, { reviews: 1, places: 5, contents: 4 }],
    [5_000, { reviews: 1, places: 5, contents: 4 }],
  ])(
    "of %d scans, each in an engagement of its own, ten idle minutes cost a request each and the off-feed check",
    async (scans, look) => {
      const w = world();
      const round = w.follower();
      await round();
      w.clock.advance(300_000);
      for (let test = 1; test <= scans; test++) {
        await w.scan(test, 2);
        w.feed.rename(test, `engagement ${test}`);
      }
      await round();
      // The first check is due at the import; the second still finds the import's own findings.
      for (const _ of [1, 2, 3]) {
        Object.assign(w.feed.asked, NOTHING_ASKED);
        for (let minute = 0; minute < 10; minute++) {
          w.clock.advance(60_000);
          expect(await round()).toMatchObject({ changes: 0, resyncs: 0, idle: true });
        }
      }
      expect(w.feed.asked).toEqual({ ...NOTHING_ASKED, changes: 10, ...look });
    },
  );

  it("begins at the newest change: what was judged before is the daily resync's", async () => {
    const w = world();
    const [before = 0] = await w.scan(1, 3);
    const [newest = 0] = await w.scan(2, 1);
    w.clock.advance(60_000);
    w.feed.judge(before, w.now());
    w.clock.advance(3_600_000);
    w.feed.judge(newest, w.now());
    await w.follower()();
    expect(w.enqueued()).toEqual(["scan-2/findings.json"]);
  });

  it("goes back where it is told to", async () => {
    const w = world();
    const [finding = 0] = await w.scan(1, 3);
    w.clock.advance(60_000);
    w.feed.judge(finding, w.now());
    await w.follower(START)();
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
  });

  it("enqueues one resync for a verdict, into the scan's group, and not again", async () => {
    const w = world();
    const [finding = 0] = await w.scan(1, 3);
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    w.feed.judge(finding, w.now());
    w.clock.advance(20_000);
    expect(await round()).toMatchObject({ changes: 1, resyncs: 1, lagMs: 20_000 });
    expect(w.queue.sent).toMatchObject([{ group: "g" }]);
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
    for (const _ of [1, 2, 3]) {
      w.clock.advance(30_000);
      expect(await round()).toMatchObject({ changes: 0, resyncs: 0 });
    }
  });

  it("a verdict in the same moment as the import is none the less one", async () => {
    const w = world();
    const round = w.follower();
    await w.scan(1, 1);
    await round();
    w.clock.advance(300_000);
    const [finding = 0] = await w.scan(2, 1);
    w.feed.judge(finding, w.now());
    await round();
    expect(w.enqueued()).toEqual(["scan-2/findings.json"]);
  });

  it("another verdict on the same scan is another message, which the queue takes", async () => {
    const w = world();
    const [finding = 0] = await w.scan(1, 1);
    const round = w.follower();
    await round();
    for (const _ of [1, 2]) {
      w.clock.advance(120_000);
      w.feed.judge(finding, w.now());
      await round();
    }
    const [first, second] = w.queue.sent;
    expect(first?.deduplicationId).not.toBe(second?.deduplicationId);
  });

  it("a verdict on an original concerns the scans of its duplicates too", async () => {
    const w = world();
    const [original = 0] = await w.scan(1, 1);
    await w.scan(2, 1, [original]);
    await w.scan(3, 1);
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    w.feed.judge(original, w.now());
    await round();
    expect(w.enqueued().sort()).toEqual(["scan-1/findings.json", "scan-2/findings.json"]);
  });

  it("an import costs no duplicate queries and no resync; findings of others are not ours", async () => {
    const w = world();
    const round = w.follower();
    await w.scan(1, 1);
    await round();
    w.clock.advance(300_000);
    await w.scan(2, 500);
    w.feed.add(99, w.now());
    expect(await round()).toMatchObject({ changes: 501, resyncs: 0 });
    w.clock.advance(30_000);
    w.feed.judge(w.feed.add(98, START), w.now());
    expect(await round()).toMatchObject({ resyncs: 0 });
    expect(w.feed.asked.duplicates).toBe(1);
  });

  it("what a reimport closed or reopened costs no resync; a verdict after it does", async () => {
    const w = world();
    const [one = 0, two = 0] = await w.scan(1, 2);
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    w.feed.judge(one, w.now());
    w.clock.advance(1_000);
    const recordedAt = w.now();
    const entry = { key: "scan-1b/findings.json", etag: "e", jobKey: "job-1b", group: "g", importedAt: w.now() };
    await w.index.put(1, { version: 1, ...entry, recordedAt });
    expect(await round()).toMatchObject({ changes: 1, resyncs: 0 });
    w.clock.advance(1_000);
    w.feed.judge(two, w.now());
    w.clock.advance(30_000);
    await round();
    expect(w.enqueued()).toEqual(["scan-1b/findings.json"]);
  });

  it("findings that somebody adds to a test long after its import are synced", async () => {
    const w = world();
    await w.scan(1, 1);
    const round = w.follower();
    await round();
    w.clock.advance(3_600_000);
    w.feed.add(1, w.now());
    await round();
    expect(w.enqueued()).toContain("scan-1/findings.json");
  });

  it("a transaction that commits late is seen within the margin", async () => {
    const w = world();
    const [one = 0, two = 0] = await w.scan(1, 1).then(async (a) => [...a, ...(await w.scan(2, 1))]);
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    const early = new Date(w.clock.now() - 20_000).toISOString();
    w.feed.judge(one, w.now());
    await round();
    w.feed.judge(two, early);
    w.clock.advance(30_000);
    await round();
    expect(w.enqueued()).toEqual(["scan-1/findings.json", "scan-2/findings.json"]);
  });

  it("a transaction that commits after the margin is over is seen, where no round had looked since", async () => {
    const w = world();
    const [one = 0, two = 0] = await w.scan(1, 1).then(async (a) => [...a, ...(await w.scan(2, 1))]);
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    const early = new Date(w.clock.now() - 20_000).toISOString();
    w.feed.judge(one, w.now());
    await round();
    w.clock.advance(30_000);
    await round();
    w.feed.judge(two, early); // committed between the last round within the margin and its end
    w.clock.advance(40_000);
    await round();
    expect(w.enqueued()).toEqual(["scan-1/findings.json", "scan-2/findings.json"]);
    // From then on the small page is enough, for whoever reads the state too.
    expect(JSON.parse(w.storage.text(STATE) ?? "")).toMatchObject({ settled: false });
    w.clock.advance(70_000);
    await round();
    expect(JSON.parse(w.storage.text(STATE) ?? "")).toMatchObject({ settled: true });
  });

  it("two changes within a millisecond are two, also where the margin is over", async () => {
    const w = world();
    const [one = 0, two = 0] = await w.scan(1, 1).then(async (a) => [...a, ...(await w.scan(2, 1))]);
    const round = w.follower();
    w.feed.judge(one, "2026-11-24T12:05:00.000100Z");
    await round();
    w.clock.advance(3_600_000);
    await round();
    w.enqueued();
    w.feed.judge(two, "2026-11-24T12:05:00.000900Z");
    w.clock.advance(30_000);
    await round();
    expect(w.enqueued()).toEqual(["scan-2/findings.json"]);
  });

  it("10,000 changes in 300 tests are 300 jobs", async () => {
    const w = world();
    const findings: number[] = [];
    for (let test = 1; test <= 300; test++) findings.push(...(await w.scan(test, 34)));
    const round = w.follower();
    await round();
    w.clock.advance(7 * 86_400_000);
    for (const id of findings.slice(0, 10_000)) w.feed.judge(id, w.now());
    w.feed.asked.changes = 0;
    expect(await round()).toMatchObject({ changes: 10_000 });
    expect(new Set(w.enqueued()).size).toBe(295);
    expect(w.feed.asked.changes).toBeLessThan(45);
  });

  it.each([
    [0, { changes: 1, duplicates: 0 }],
    [10, { changes: 2, duplicates: 10 }],
    [1_000, { changes: 5, duplicates: 1_000 }],
  ])("of 1,000 scans, %d verdicts cost so many requests", async (verdicts, asked) => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    const findings: number[] = [];
    for (let test = 1; test <= 1_000; test++) findings.push((await w.scan(test, 10))[0] as number);
    await round();
    w.clock.advance(OFF_FEED_CHECK_MS);
    await round();
    w.enqueued();
    w.clock.advance(60_000);
    for (const id of findings.slice(0, verdicts)) w.feed.judge(id, w.now());
    Object.assign(w.feed.asked, NOTHING_ASKED);
    expect(await round()).toMatchObject({ changes: verdicts, resyncs: verdicts });
    expect(w.feed.asked).toEqual({ ...NOTHING_ASKED, ...asked });
  });

  it("a long gap is worked off in parts, the oldest first, and a round that is killed begins where the last one ended", async () => {
    const w = world();
    const tests = 30;
    const ids: number[] = [];
    for (let test = 1; test <= tests; test++) ids.push(...(await w.scan(test, 1_000)));
    const round = w.follower();
    await round();
    w.clock.advance(3_600_000);
    await round();
    const gap = w.clock.now();
    ids.forEach((id, n) => {
      w.feed.judge(id, new Date(gap + n * 10).toISOString());
    });
    w.clock.advance(7 * 86_400_000);
    w.enqueued();
    // The clock runs: a round has the time for some parts only.
    w.feed.before = () => w.clock.advance(1_150);
    const marks: string[] = [];
    const heaps: number[] = [];
    let rounds = 0;
    const all = new Set<string>();
    for (let behind = 1; behind > 0 && rounds < 30; rounds++) {
      const { lagMs } = await w.follower()();
      behind = lagMs > 0 ? 1 : 0;
      const state = JSON.parse(w.storage.text(STATE) ?? "") as { watermark: string; handled: object };
      marks.push(state.watermark);
      heaps.push(Object.keys(state.handled).length);
      for (const key of w.enqueued()) all.add(key);
    }
    expect(all.size).toBe(tests);
    expect(rounds).toBeGreaterThan(2);
    expect(marks).toEqual([...marks].sort());
    // What is remembered is of a minute, not of the gap.
    expect(Math.max(...heaps)).toBeLessThanOrEqual(6_001);
  });

  it("the last of a part and the first of the next may be of one moment", async () => {
    const w = world();
    const ids = await w.scan(1, 30_000);
    const round = w.follower();
    await round();
    w.clock.advance(86_400_000);
    const moments = [0, 1, 2].map((n) => new Date(w.clock.now() + n * 1_000).toISOString());
    for (const [n, id] of ids.entries()) w.feed.judge(id, moments[n % 3] as string);
    w.clock.advance(3_600_000);
    const { changes } = await round();
    expect(changes).toBe(30_000);
  });

  it("two followers send the same message, which the queue drops, and neither stops", async () => {
    const w = world();
    const [finding = 0] = await w.scan(1, 1);
    const [one, two] = [w.follower(), w.follower()];
    await one();
    await two();
    w.clock.advance(120_000);
    w.feed.judge(finding, w.now());
    await Promise.all([one(), two()]);
    expect(new Set(w.queue.sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(1);
    w.enqueued();
    w.clock.advance(120_000);
    w.feed.judge(finding, w.now());
    await one();
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
  });

  it.each(["feed", "queue", "state"] as const)("a round that dies at the %s loses nothing", async (where) => {
    const w = world();
    const [finding = 0] = await w.scan(1, 1);
    const round = w.follower();
    await round();
    w.clock.advance(120_000);
    w.feed.judge(finding, w.now());
    const die = () => {
      throw new Error("killed");
    };
    if (where === "feed") w.feed.before = die;
    if (where === "queue") w.queue.before = die;
    if (where === "state") w.storage.before = (call) => (call === "write" ? die() : undefined);
    await expect(round()).rejects.toThrow("killed");
    w.feed.before = () => undefined;
    w.queue.before = () => undefined;
    w.storage.before = () => undefined;
    await w.follower()();
    expect(w.enqueued()).toContain("scan-1/findings.json");
  });

  it("what comes under review or leaves it shows in the next round, on the finding and its duplicates, and costs nothing while it stays", async () => {
    const w = world();
    const [original = 0] = await w.scan(1, 1);
    await w.scan(2, 1, [original]);
    const round = w.follower();
    await round();
    for (const underReview of [true, false]) {
      w.clock.advance(60_000);
      w.feed.review(original, underReview);
      await round();
      expect(w.enqueued().sort()).toEqual(["scan-1/findings.json", "scan-2/findings.json"]);
      Object.assign(w.feed.asked, NOTHING_ASKED);
      w.clock.advance(60_000);
      expect(await round()).toMatchObject({ resyncs: 0, idle: true });
      expect(w.feed.asked).toEqual({ ...NOTHING_ASKED, changes: 1 });
    }
  });

  it("more findings under review than a page has room for are listed every ten minutes", async () => {
    const w = world();
    const findings = await w.scan(1, 100);
    for (const id of findings.slice(1)) w.feed.review(id, true);
    const round = w.follower();
    await round();
    w.enqueued();
    w.feed.review(findings[0] as number, true);
    Object.assign(w.feed.asked, NOTHING_ASKED);
    w.clock.advance(OFF_FEED_CHECK_MS / 2);
    await round();
    expect(w.enqueued()).toEqual([]);
    expect(w.feed.asked.underReview).toBe(0);
    w.clock.advance(OFF_FEED_CHECK_MS / 2);
    await round();
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
    expect(w.feed.asked.underReview).toBe(1);
  });

  it("what people edited in the UI shows at the off-feed check, on the finding and its duplicates; verdicts and imports do not again", async () => {
    const w = world();
    const round = w.follower();
    const [original = 0, judged = 0] = await w.scan(1, 2);
    await w.scan(2, 1, [original]);
    await w.scan(3, 1);
    await round();
    w.clock.advance(300_000);
    w.feed.edit(original, w.now(), "ui");
    w.feed.judge(judged, w.now());
    w.feed.edit(judged, w.now(), "ui");
    await round();
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
    w.clock.advance(300_000);
    Object.assign(w.feed.asked, NOTHING_ASKED);
    await round();
    expect(w.enqueued().sort()).toEqual(["scan-1/findings.json", "scan-2/findings.json"]);
    expect(w.feed.asked).toMatchObject({ reviews: 1, duplicates: 1 });
    for (const _ of [1, 2, 3]) {
      w.clock.advance(OFF_FEED_CHECK_MS);
      await round();
      expect(w.enqueued()).toEqual([]);
    }
  });

  it("each recent test is compared once a day, by one request, and synced only if it changed without a trace", async () => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(60_000);
    const findings: number[] = [];
    for (let test = 1; test <= 300; test++) findings.push(...(await w.scan(test, 2)));
    await round();
    for (const id of [2, 3, 600]) w.feed.edit(id, w.now(), "api");
    const seen: string[] = [];
    Object.assign(w.feed.asked, NOTHING_ASKED);
    for (let look = 0; look < 144; look++) {
      w.clock.advance(OFF_FEED_CHECK_MS);
      await round();
      seen.push(...w.enqueued());
    }
    expect(seen.sort()).toEqual(["scan-1/findings.json", "scan-2/findings.json", "scan-300/findings.json"]);
    expect(w.feed.asked.contents).toBe(144 * 3);
  });

  it("what a script edits right after the import, before a round saw the findings, shows at the test's turn", async () => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(60_000);
    const [edited = 0] = await w.scan(1, 2);
    await w.scan(2, 2);
    w.clock.advance(1_000);
    w.feed.edit(edited, w.now(), "api");
    await round();
    const seen: string[] = [];
    for (let look = 0; look < 4; look++) {
      w.clock.advance(OFF_FEED_CHECK_MS);
      await round();
      seen.push(...w.enqueued());
    }
    expect(seen).toEqual(["scan-1/findings.json"]);
  });

  it("deleted findings and a deleted test are noticed in the next round, without a further request while nothing is deleted", async () => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    for (const test of [1, 2, 3]) await w.scan(test, 4);
    await round();
    w.clock.advance(120_000);
    await round();
    expect(w.feed.asked.glances).toBe(0);
    w.feed.remove(({ findingId }) => findingId === 2);
    w.feed.add(77, w.now()); // another's finding comes as one goes
    w.clock.advance(30_000);
    await round();
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
    w.feed.remove(({ testId }) => testId === 3);
    w.clock.advance(30_000);
    await round();
    expect(w.enqueued()).toEqual(["scan-3/findings.json"]);
    w.feed.asked.glances = 0;
    w.clock.advance(30_000);
    await round();
    expect(w.feed.asked.glances).toBe(0);
  });

  it("of many tests, those with deleted findings are found in a few rounds", async () => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    for (let test = 1; test <= 180; test++) await w.scan(test, 1);
    await round();
    w.feed.remove(({ testId }) => testId === 1);
    for (let rounds = 0; rounds < 4; rounds++) {
      w.clock.advance(30_000);
      await round();
    }
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
    expect(w.feed.asked.glances).toBe(180);
  });

  it("a product that is renamed or moved concerns all its tests, and one of them is asked for while nothing is", async () => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    for (const test of [1, 2, 3]) await w.scan(test, 2);
    w.feed.rename(3, "another product");
    await round();
    w.clock.advance(OFF_FEED_CHECK_MS);
    await round();
    w.enqueued();
    const places: number[] = [];
    for (const [look, renamed] of [[1, 2], [], [1, 2], [3], []].entries()) {
      for (const test of renamed) w.feed.rename(test, `name ${look}`);
      w.feed.asked.places = 0;
      w.clock.advance(OFF_FEED_CHECK_MS);
      await round();
      places.push(w.feed.asked.places);
      expect(w.enqueued().sort(), `${renamed}`).toEqual(renamed.map((test) => `scan-${test}/findings.json`));
    }
    expect(places).toEqual([2, 1, 2, 1, 1]); // of the others in a renamed place it is asked once more
  });

  it("a test whose import was under way when its findings showed is looked after like others", async () => {
    const w = world();
    const round = w.follower();
    await round();
    w.clock.advance(300_000);
    const finding = w.feed.add(1, w.now());
    await round();
    await w.scan(1, 0); // the importer indexes it
    w.clock.advance(1_000);
    w.feed.edit(finding, w.now(), "api");
    w.clock.advance(OFF_FEED_CHECK_MS);
    await round();
    expect(w.enqueued()).toContain("scan-1/findings.json");
  });

  it("the state of an earlier version is understood", async () => {
    const w = world();
    const [finding = 0] = await w.scan(1, 1);
    const older = { version: 1, watermark: START, movedAt: START, handled: {}, underReview: {}, recent: [1], next: 0 };
    w.storage.put(STATE, JSON.stringify({ ...older, lookedAt: START }));
    w.clock.advance(120_000);
    w.feed.judge(finding, w.now());
    await w.follower()();
    expect(w.enqueued()).toEqual(["scan-1/findings.json"]);
  });

  it("an unreadable state is begun anew, with a warning", async () => {
    const w = world();
    await w.scan(1, 1);
    w.storage.put(STATE, "{");
    await w.follower()();
    expect(JSON.parse(w.storage.text(STATE) ?? "")).toMatchObject({ version: 1, watermark: START });
  });
});
