import { describe, expect, it } from "vitest";
import { Deferral } from "../../../lib/deferral.ts";
import { RelayError, type RelayErrorOptions } from "../../../lib/errors.ts";
import type { Imported } from "../../../lib/importer/attempt.ts";
import { type Checkpoint, checkpointStore } from "../../../lib/importer/checkpoint.ts";
import { ensureImported } from "../../../lib/importer/ensure-imported.ts";
import { prepare } from "../../../lib/importer/prepare.ts";
import { jobKey, type ScanJob } from "../../../lib/model/job.ts";
import { checkpointOf, sibling } from "../../../lib/model/object-keys.ts";
import { GENERIC } from "../../../lib/model/scan-types.ts";
import type { ImportAnswer, Test } from "../../../lib/ports/defectdojo.ts";
import type { ImportTiming } from "../../../lib/types.ts";
import { aFinding, aJob, aTest, FINDINGS } from "../../helpers/factories.ts";
import { deliveryOf, fakeClock } from "../../helpers/fake-clock.ts";
import { fakeDojo } from "../../helpers/fake-dojo.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { aFlow } from "../../helpers/settings.ts";
import { relayErrorBy, thrownBy } from "../../helpers/thrown.ts";

const REPORT = [aFinding(), aFinding(), aFinding()];
const ETAG = memoryStorage().put(FINDINGS, JSON.stringify(REPORT));
const SCAN_JOB = aJob({ etag: ETAG });
/** MD5 of `[]`. */
const EMPTY_ETAG = "d751713988987e9331980363e24189ce";
const JOB = jobKey(SCAN_JOB);
const NATIVE = "Nmap Scan";
const TIMING: ImportTiming = { settleMs: 120_000, stalledMs: 300_000, refusalMs: 120_000, pollMs: 2_000 };
const SETTINGS = aFlow({ ledger: TIMING });
const POST = "POST /api/v2/import-scan/";

const failure = (reason: RelayError["reason"], message: string, options: RelayErrorOptions = {}) =>
  new RelayError(reason, `${POST}: ${message}`, { object: POST, ...options });
const unknown = () => failure("import-unknown", "socket hang up");
const crashed = () => failure("dojo-unavailable", "HTTP 500: Internal server error", { status: 500 });
const refused = (detail: string) => failure("dojo-rejected", `HTTP 400: ${detail}`, { status: 400 });

/** What becomes of one sent report. */
type Fate = (world: World, scanType: string) => ImportAnswer | Error;
const imports: Fate = (world, scanType) => ({ testId: world.add({ scanType }).id, total: 3, deduplicated: true });

interface WorldTest extends Test {
  /** When it is complete, in milliseconds; never where it died. */
  readonly completeAt: number;
  /** Findings at a time. */
  readonly findingsAt: (now: number) => number;
}
type Ensured = Pick<Imported, "testId" | "importedAs" | "fellBack" | "answer">;
type World = ReturnType<typeof world>;

interface WorldOptions {
  readonly fates?: Fate[];
  readonly mayDelete?: boolean;
  /** How long each write of a claim takes, and each look for tests; the last one stands for all after it. */
  readonly noteMs?: readonly number[];
  readonly lookMs?: readonly number[];
  readonly onFewerFindings?: "keep" | "generic";
  /** findings.json is this job's own write-back. */
  readonly own?: boolean;
  /** DefectDojo deletes in the background (its setting ASYNC_OBJECT_DELETE): a deleted test shows for so long. */
  readonly deletionMs?: number;
  /** Findings that have to be closed, in all; each takes a second. */
  readonly open?: number;
  /** The findings are empty: the report tells all. By secureCodeBox's parser, or by nobody's. */
  readonly empty?: "parsed" | "unparsed";
  /** DefectDojo's scan type for the report. */
  readonly scanType?: string;
}

/** DefectDojo over virtual time, as far as the ledger sees it, and one job with its note. */
function world(options: WorldOptions = {}) {
  const {
    fates = [],
    mayDelete = true,
    noteMs = [],
    lookMs = [],
    open = 0,
    own = false,
    empty,
    deletionMs = 0,
    scanType = NATIVE,
  } = options;
  let onFewerFindings = options.onFewerFindings ?? "keep";
  const clock = fakeClock();
  const { log, metrics, messages } = recorder();
  const tests: WorldTest[] = [];
  const calls: string[] = [];
  const sent: string[] = [];
  const storage = memoryStorage();
  storage.put(FINDINGS, empty === undefined ? JSON.stringify(REPORT) : "[]");
  const { rawResultType: _, ...unparsed } = SCAN_JOB.scan;
  const job: ScanJob = {
    ...SCAN_JOB,
    ...(empty === undefined ? {} : { etag: EMPTY_ETAG }),
    ...(empty === "unparsed" ? { scan: unparsed } : {}),
  };
  storage.put(sibling(FINDINGS, SCAN_JOB.scan.rawResultFile ?? ""), "<nmaprun/>");
  const pending = checkpointOf(FINDINGS);
  const note = () =>
    JSON.parse(storage.text(pending) ?? JSON.stringify({ version: 1, jobKey: JOB, refusals: 0 })) as Checkpoint;
  const setNote = (changes: Partial<Checkpoint>) => storage.put(pending, JSON.stringify({ ...note(), ...changes }));
  let nextId = 1;
  let [claims, looks, toClose] = [0, 0, open];
  const appear: { at: number; test: Partial<WorldTest> }[] = [];
  const add = (changes: Partial<WorldTest> = {}): WorldTest => {
    const test: WorldTest = {
      ...aTest({ id: nextId++, buildId: JOB, scanType: NATIVE }),
      completeAt: 0,
      findingsAt: () => 3,
      ...changes,
    };
    tests.push(test);
    return test;
  };
  const going = new Map<number, number>();
  const pass = () => {
    for (const [id, at] of going) if (at <= clock.now() && going.delete(id)) change(id, undefined);
    for (const due of appear.filter(({ at }) => at <= clock.now())) {
      appear.splice(appear.indexOf(due), 1);
      add(due.test);
    }
  };
  const seen = ({ completeAt, findingsAt: _, ...test }: WorldTest): Test => ({
    ...test,
    percentComplete: completeAt <= clock.now() ? 100 : 50,
  });
  const change = (id: number, changes: Partial<WorldTest> | undefined) => {
    const at = tests.findIndex((test) => test.id === id);
    const [old] = tests.splice(at, 1);
    if (old !== undefined && changes !== undefined) tests.splice(at, 0, { ...old, ...changes });
    return old;
  };
  let parsed = true;
  const write = storage.write;
  storage.write = async (ref, body, options) => {
    const written = ref.key === pending.key ? (JSON.parse(String(body)) as Checkpoint) : undefined;
    const isClaim = written?.postedAt !== undefined && written.kept === undefined;
    if (isClaim) clock.advance(noteMs[Math.min(claims++, noteMs.length - 1)] ?? 0);
    return await write(ref, body, options);
  };
  const dojo = fakeDojo({
    user: async () => ({ id: 2, username: "token", superuser: true }),
    productType: async () => ({ id: 1, name: "type" }),
    product: async ({ name }) => ({ id: 12, name, productTypeId: 1 }),
    engagement: async ({ name }) => ({ id: 5, name, productId: 12 }),
    hasTestType: async () => parsed,
    importScan: async ({ scanType }) => {
      sent.push(scanType);
      const fate = fates.shift();
      if (fate === undefined) throw new Error("one import too many");
      const outcome = fate(self, scanType);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    testsByBuildId: async (buildId) => {
      clock.advance(lookMs[Math.min(looks++, lookMs.length - 1)] ?? 0);
      pass();
      return tests.filter((test) => test.buildId === buildId).map(seen);
    },
    findingCount: async (id) => tests.find((test) => test.id === id)?.findingsAt(clock.now()) ?? 0,
    deleteTest: async (id) => {
      calls.push(`delete ${id}`);
      if (mayDelete && deletionMs === 0) change(id, undefined);
      if (mayDelete && deletionMs > 0) going.set(id, going.get(id) ?? clock.now() + deletionMs);
      return mayDelete;
    },
    closeFindings: async (id, mayGoOn) => {
      for (; toClose > 0; toClose--) {
        if (!mayGoOn()) {
          calls.push(`close ${id} in part`);
          return false;
        }
        clock.advance(1_000);
      }
      calls.push(`close ${id}`);
      return true;
    },
    updateTest: async (id, { title, buildId }) => {
      calls.push(`update ${id}: ${title}, ${buildId}`);
      change(id, { ...(title === undefined ? {} : { title }), ...(buildId === undefined ? {} : { buildId }) });
      return aTest({ id });
    },
  });
  const self = {
    clock,
    calls,
    sent,
    claims: () => claims,
    messages,
    add,
    note,
    setNote,
    set: (setting: "keep" | "generic") => {
      onFewerFindings = setting;
    },
    /** A test that shows up some seconds from now. */
    later: (seconds: number, test: Partial<WorldTest> = {}) => {
      appear.push({ at: clock.now() + seconds * 1000, test });
    },
    in: (seconds: number) => clock.now() + seconds * 1000,
    complete: () => tests.filter((test) => test.buildId === JOB && test.completeAt <= clock.now()),
    left: () => tests.filter((test) => test.buildId === JOB),
    deliver: async (seconds = 900, hasParser = true, messageId?: string) => {
      parsed = hasParser;
      const attempt = {
        job,
        key: JOB,
        ports: { dojo, clock, storage, metrics, log, pending: checkpointStore(storage, log) },
        settings: { ...SETTINGS, onFewerFindings, scanTypeMap: { nmap: scanType } },
        delivery: {
          ...deliveryOf(clock, seconds * 1000),
          ...(messageId === undefined ? {} : { message: { messageId, receiveCount: 1, maxFailures: 5 } }),
        },
        startedAt: clock.now(),
        deliveryMs: seconds * 1000,
        upload: job,
        current: { etag: ETAG, own, overwritten: own },
      };
      const imported = await ensureImported(await prepare(attempt));
      if ("outcome" in imported) throw new Error(imported.outcome);
      const { testId, importedAs, fellBack, answer } = imported;
      return { testId, importedAs, fellBack, answer };
    },
  };
  return self;
}

describe("a first import", () => {
  it("is sent once, and its answer counts", async () => {
    const w = world({ fates: [imports] });
    expect(await w.deliver()).toEqual({
      testId: 1,
      importedAs: NATIVE,
      fellBack: undefined,
      answer: { testId: 1, total: 3, deduplicated: true },
    });
    expect(w.sent).toEqual([NATIVE]);
  });

  it("is noted before it is sent, so that a death in between is known of", async () => {
    const w = world({
      fates: [
        (world) => {
          expect(world.note().postedAt).toBe("2026-11-24T12:00:00.000Z");
          return imports(world, NATIVE);
        },
      ],
    });
    await w.deliver();
  });

  it("is sent as what could be made ready", async () => {
    const w = world({ fates: [imports] });
    const imported = await w.deliver(900, false);
    const fellBack = 'this DefectDojo has no parser "Nmap Scan"';
    expect(imported).toMatchObject({ importedAs: GENERIC, fellBack });
    expect(w.note().fellBack).toBe(fellBack);
  });
});

describe("a delivery without the time to send the report", () => {
  it("hands the message back, and nothing was sent", async () => {
    const deferral = new Deferral("no time is left to send the report", 0);
    const w = world({ fates: [() => deferral, imports] });
    expect(await thrownBy(() => w.deliver())).toBe(deferral);
    expect(w.note().postedAt).toBeUndefined();
    const start = w.clock.now();
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect(w.clock.now()).toBe(start);
  });
});

describe("a claim that is too old to be sent upon", () => {
  const slow = TIMING.settleMs / 2 + 1;

  it("is made anew once", async () => {
    const w = world({ fates: [imports], noteMs: [slow, 0] });
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect([w.claims(), w.sent]).toEqual([2, [NATIVE]]);
  });

  it.each<[string, WorldOptions, RelayError["reason"]]>([
    ["the store is slow", { noteMs: [slow] }, "storage-unavailable"],
    ["DefectDojo is slow", { lookMs: [slow] }, "dojo-timeout"],
  ])("is a failure of the delivery where %s, and nothing was sent", async (_, options, reason) => {
    const w = world(options);
    for (let delivery = 1; delivery <= 3; delivery++) {
      const error = await relayErrorBy(() => w.deliver());
      expect(error).toMatchObject({ reason, errorClass: "transient", object: `import ${JOB}` });
      expect(error.message).toContain("IMPORT_SETTLE_SECONDS (120)");
      expect(w.note().postedAt).toBeUndefined();
      expect([w.claims(), w.sent]).toEqual([2 * delivery, []]);
    }
  });

  it("is not sent upon where only the look took too long", async () => {
    const w = world({ fates: [imports], lookMs: [0, slow, 0] });
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect([w.claims(), w.sent]).toEqual([2, [NATIVE]]);
  });
});

describe("a complete test", () => {
  it("is the import: nothing is sent", async () => {
    const w = world();
    w.add({ scanType: "Generic Findings Import" });
    w.setNote({ fellBack: "why" });
    expect(await w.deliver()).toEqual({ testId: 1, importedAs: GENERIC, fellBack: "why", answer: undefined });
    expect(w.sent).toEqual([]);
  });

  it("stays, and surplus ones and stale ones go", async () => {
    const w = world();
    w.add({ completeAt: Number.POSITIVE_INFINITY });
    w.add();
    w.add();
    expect(await w.deliver()).toMatchObject({ testId: 2 });
    expect(w.left().map(({ id }) => id)).toEqual([2]);
  });
});

describe("a running import", () => {
  it("is waited for", async () => {
    const w = world();
    const done = w.in(60);
    w.add({ completeAt: done, findingsAt: (now) => now });
    expect(await w.deliver()).toMatchObject({ testId: 1, answer: undefined });
    expect(w.clock.now()).toBeGreaterThanOrEqual(done);
    expect(w.clock.now()).toBeLessThan(done + 11_000);
    expect(w.sent).toEqual([]);
  });

  it("is waited for over deliveries, whose ends are no failures", async () => {
    const w = world();
    w.add({ completeAt: w.in(2_000), findingsAt: (now) => now });
    for (let delivery = 1; delivery <= 2; delivery++) {
      const error = await thrownBy(() => w.deliver());
      expect(error).toBeInstanceOf(Deferral);
      expect(error).toMatchObject({ message: expect.stringContaining("test 1") });
      w.clock.advance((error as Deferral).seconds * 1000);
    }
    expect(await w.deliver()).toMatchObject({ testId: 1 });
  });

  it("is never waited for beyond the delivery", async () => {
    const w = world();
    w.add({ completeAt: w.in(2_000), findingsAt: (now) => now });
    const end = w.in(890);
    await thrownBy(() => w.deliver(900));
    expect(w.clock.now()).toBeLessThanOrEqual(end);
  });

  it("that stands still is dead: it is removed and the report sent again", async () => {
    const w = world({ fates: [imports] });
    w.add({ completeAt: Number.POSITIVE_INFINITY });
    const start = w.clock.now();
    expect(await w.deliver()).toMatchObject({ testId: 2 });
    expect(w.clock.now() - start).toBeGreaterThanOrEqual(TIMING.stalledMs);
    expect(w.left().map(({ id }) => id)).toEqual([2]);
  });

  it("that stood still in the delivery before is dead sooner", async () => {
    const w = world({ fates: [imports] });
    w.add({ completeAt: Number.POSITIVE_INFINITY });
    await thrownBy(() => w.deliver(200));
    expect(w.note().progress).toMatchObject({ testId: 1, findings: 3 });
    const start = w.clock.now();
    await w.deliver();
    expect(w.clock.now() - start).toBeLessThan(TIMING.stalledMs - 150_000);
  });

  it("that grows again is not dead", async () => {
    const w = world();
    const started = w.clock.now();
    w.add({ completeAt: w.in(700), findingsAt: (now) => Math.floor((now - started) / 250_000) });
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect(w.sent).toEqual([]);
  });

  it("that is gone meanwhile is sent again", async () => {
    const w = world({ fates: [imports] });
    w.add({ completeAt: Number.POSITIVE_INFINITY, buildId: JOB });
    w.setNote({ progress: { testId: 1, findings: 3, since: new Date(w.clock.now() - 299_000).toISOString() } });
    expect(await w.deliver()).toMatchObject({ testId: 2 });
  });
});

describe("an import without an answer", () => {
  it("that shows up is waited for, and never sent again", async () => {
    const w = world({
      fates: [
        (world) => {
          world.later(30, { completeAt: world.in(90), findingsAt: (now) => now });
          return unknown();
        },
      ],
    });
    expect(await w.deliver()).toMatchObject({ testId: 1, answer: undefined });
    expect(w.sent).toEqual([NATIVE]);
  });

  it("that is there already is the import", async () => {
    const w = world({
      fates: [
        (world) => {
          world.add();
          return unknown();
        },
      ],
    });
    expect(await w.deliver()).toMatchObject({ testId: 1 });
  });

  it("that stays away is a failure of this delivery, and sent again in the next", async () => {
    const w = world({ fates: [unknown, imports] });
    const start = w.clock.now();
    const error = await relayErrorBy(() => w.deliver());
    expect(error).toMatchObject({ reason: "import-unknown", object: POST });
    expect(w.clock.now() - start).toBeGreaterThanOrEqual(TIMING.settleMs);
    expect(w.sent).toHaveLength(1);
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect(w.sent).toHaveLength(2);
  });

  it("has the whole time to show up from when the answer failed to come", async () => {
    const w = world({
      fates: [
        (world) => {
          world.clock.advance(700_000);
          world.later(100, {});
          return unknown();
        },
      ],
    });
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect(w.sent).toHaveLength(1);
  });

  it("that stays away over the end of a delivery is a failure of the next one", async () => {
    const w = world({
      fates: [
        (world) => {
          world.clock.advance(850_000);
          return unknown();
        },
        imports,
      ],
    });
    expect(await thrownBy(() => w.deliver())).toBeInstanceOf(Deferral);
    expect(await relayErrorBy(() => w.deliver())).toMatchObject({
      reason: "import-unknown",
      object: `import ${JOB}`,
      message: `${POST}: socket hang up`,
    });
    expect(w.sent).toHaveLength(1);
    expect(await w.deliver()).toMatchObject({ testId: 1 });
  });

  it("that shows up and dies is a failure each time, also over the end of deliveries", async () => {
    const dies: Fate = (world) => {
      world.clock.advance(700_000);
      world.add({ completeAt: Number.POSITIVE_INFINITY });
      return unknown();
    };
    const w = world({ fates: [dies, dies, dies] });
    for (let failure = 1; failure <= 3; failure++) {
      expect(await thrownBy(() => w.deliver())).toBeInstanceOf(Deferral);
      expect(await relayErrorBy(() => w.deliver())).toMatchObject({ reason: "import-unknown" });
      expect(w.left()).toEqual([]);
      expect(w.sent).toHaveLength(failure);
    }
  });

  it("of a process that died is waited for, and sent again if it stays away", async () => {
    const w = world({ fates: [imports] });
    w.setNote({ postedAt: new Date(w.clock.now() - 20_000).toISOString() });
    const start = w.clock.now();
    expect(await w.deliver()).toMatchObject({ testId: 1 });
    expect(w.clock.now() - start).toBeGreaterThanOrEqual(TIMING.settleMs - 20_000);
  });

  it("with a time that nobody can read is not waited for for ever", async () => {
    const w = world({ fates: [imports] });
    w.setNote({ postedAt: "yesterday" });
    expect(await w.deliver()).toMatchObject({ testId: 1 });
  });
});

describe("a report that the parser refuses", () => {
  const half: Fate = (world, scanType) => {
    world.add({ completeAt: Number.POSITIVE_INFINITY, scanType, findingsAt: () => 0 });
    return crashed();
  };
  /** Delivers until it is no wait any more. */
  const delivered = async (w: World, messageId?: string): Promise<Ensured> => {
    const outcome = await w.deliver(900, true, messageId).catch((error: unknown) => error);
    if (!(outcome instanceof Deferral)) {
      if (outcome instanceof Error) throw outcome;
      return outcome as Ensured;
    }
    w.clock.advance(outcome.seconds * 1000);
    return await delivered(w, messageId);
  };

  it("with 500 is sent for minutes, then imported as generic", async () => {
    const w = world({ fates: [half, half, half, half, imports] });
    const start = w.clock.now();
    const imported = await delivered(w);
    expect(w.clock.now() - start).toBeGreaterThanOrEqual(TIMING.refusalMs);
    expect(imported).toMatchObject({ importedAs: GENERIC, testId: 5 });
    expect(imported.fellBack).toContain(`DefectDojo's parser "Nmap Scan" refused the report: ${POST}: HTTP 500`);
    expect(w.sent).toEqual([NATIVE, NATIVE, NATIVE, NATIVE, GENERIC]);
    expect(w.calls).toEqual(["delete 1", "delete 2", "delete 3", "delete 4"]);
    expect(w.note()).toMatchObject({ fellBack: imported.fellBack, expected: 3 });
  });

  it("with 500 of a parser that reads before there is a test is refused as well", async () => {
    const w = world({ scanType: "SARIF", fates: [crashed, crashed, crashed, crashed, imports] });
    const start = w.clock.now();
    const imported = await delivered(w);
    expect(w.clock.now() - start).toBeGreaterThanOrEqual(TIMING.refusalMs);
    expect(imported.fellBack).toContain(`DefectDojo's parser "SARIF" refused the report: ${POST}: HTTP 500`);
    expect(w.sent).toEqual(["SARIF", "SARIF", "SARIF", "SARIF", GENERIC]);
  });

  it.each([1, 2, 3])("with 500 %i times is imported natively then", async (times) => {
    const w = world({ fates: [...Array.from({ length: times }, () => half), imports] });
    expect(await delivered(w)).toMatchObject({ importedAs: NATIVE, fellBack: undefined, testId: times + 1 });
  });

  it("with 500 many times in little time is not refused by that", async () => {
    const w = world({ fates: [half, half, half, half, half, imports] });
    w.setNote({ refusals: 3, refusedSince: new Date(w.clock.now() - 2_000).toISOString() });
    expect(await thrownBy(() => w.deliver())).toBeInstanceOf(Deferral);
    expect(w.sent).toEqual([NATIVE]);
  });

  it("remembers the refusals over deliveries", async () => {
    const w = world({ fates: [half, half, half, half, imports] });
    expect(await thrownBy(() => w.deliver(11))).toBeInstanceOf(Deferral);
    expect(w.note()).toMatchObject({ refusals: 1, refusedSince: "2026-11-24T12:00:00.000Z" });
    expect(w.note().postedAt).toBeUndefined();
    w.clock.advance(120_000);
    expect(await delivered(w)).toMatchObject({ importedAs: GENERIC });
    expect(w.sent).toEqual([NATIVE, NATIVE, NATIVE, NATIVE, GENERIC]);
  });

  it("with 500 is no longer refused after a redrive", async () => {
    const w = world({ fates: [half, half, half, half, crashed, imports] });
    expect(await relayErrorBy(() => delivered(w, "m-1"))).toMatchObject({ reason: "dojo-unavailable" });
    expect(w.note()).toMatchObject({ fellBackIn: "m-1" });
    expect(await delivered(w, "m-2")).toMatchObject({ importedAs: NATIVE, fellBack: undefined });
    expect(w.note().fellBack).toBeUndefined();
  });

  describe("row 3: with 500 after some of its findings", () => {
    const leaving =
      (findings: number): Fate =>
      (world, scanType) => {
        world.add({ completeAt: Number.POSITIVE_INFINITY, scanType, findingsAt: () => findings });
        return crashed();
      };
    /** Delivers again after failures too, as the queue does. */
    const redelivered = async (w: World, most: number): Promise<Ensured> => {
      for (let failures = 0; ; failures++) {
        try {
          return await delivered(w, "m-1");
        } catch (error) {
          if (failures === most) throw error;
          w.clock.advance(10_000);
        }
      }
    };

    it("falls back where it is the same number for minutes, and says so; a redrive tries natively again", async () => {
      const w = world({ fates: [...Array.from({ length: 5 }, () => leaving(625)), crashed, imports] });
      expect(await relayErrorBy(() => redelivered(w, 1))).toMatchObject({ reason: "dojo-unavailable" });
      expect(w.sent).toEqual([NATIVE, NATIVE, NATIVE, NATIVE, NATIVE, GENERIC]);
      expect(w.note().fellBack).toContain(`parser "Nmap Scan" fails after the same 625 findings each time: ${POST}`);
      expect(w.left()).toEqual([]);
      expect(await delivered(w, "m-2")).toMatchObject({ importedAs: NATIVE, fellBack: undefined });
    });

    it("is a failure each time that the number is another", async () => {
      const w = world({ fates: [leaving(625), leaving(3), leaving(625), leaving(7), imports] });
      expect(await relayErrorBy(() => redelivered(w, 3))).toMatchObject({ errorClass: "transient" });
      expect(w.sent).toEqual([NATIVE, NATIVE, NATIVE, NATIVE]);
      expect(await delivered(w)).toMatchObject({ importedAs: NATIVE });
    });

    it("counts where it stops there without an answer, too", async () => {
      const stops: Fate = (world, scanType) => {
        world.add({ completeAt: Number.POSITIVE_INFINITY, scanType, findingsAt: () => 625 });
        return unknown();
      };
      const w = world({ fates: [stops, stops, stops, stops, imports] });
      const imported = await redelivered(w, 4);
      expect(imported).toMatchObject({ importedAs: GENERIC });
      expect(imported.fellBack).toContain("stops after the same 625 findings each time, without a response");
    });

    it("does not count with what was left empty", async () => {
      const w = world({ fates: [half, half, leaving(2), half, half, imports] });
      expect(await redelivered(w, 1)).toMatchObject({ importedAs: NATIVE, fellBack: undefined });
    });
  });

  it.each([
    ["a message", "['Expecting value: line 1 column 1 (char 0)']"],
    ["a sentence", "Invalid format, unable to parse json."],
    ["nothing", ""],
  ])("with 400 and %s is imported as generic at once", async (_, detail) => {
    const w = world({ fates: [() => refused(detail), imports] });
    expect(await w.deliver()).toMatchObject({ importedAs: GENERIC });
    expect(w.sent).toEqual([NATIVE, GENERIC]);
  });

  it("as generic too is refused for good", async () => {
    const w = world({ fates: [() => refused("no"), () => refused("['Required fields are missing']")] });
    const error = await relayErrorBy(() => w.deliver());
    expect(error).toMatchObject({ reason: "import-refused", errorClass: "permanent" });
    expect(error.object).toBeDefined();
    expect(error.message).toContain("Required fields are missing");
    expect(w.note()).toMatchObject({ refusals: 0 });
    expect(w.note().postedAt).toBeUndefined();
  });

  it("as generic with 500 says nothing of the report: it is tried again, and nothing is left behind", async () => {
    const w = world({ fates: [half, imports] });
    w.setNote({ fellBack: "why" });
    expect(await relayErrorBy(() => w.deliver())).toMatchObject({ errorClass: "transient", status: 500 });
    expect(w.left()).toEqual([]);
    expect(await w.deliver()).toMatchObject({ importedAs: GENERIC });
  });

  it("with 500 though its test holds findings was read: the failure is the server's", async () => {
    let stored = 0;
    const fails: Fate = (world, scanType) => {
      const findings = ++stored;
      world.add({ completeAt: Number.POSITIVE_INFINITY, scanType, findingsAt: () => findings });
      return crashed();
    };
    const w = world({ fates: [fails, fails, fails, fails, fails, imports] });
    for (let delivery = 1; delivery <= 5; delivery++) {
      expect(await relayErrorBy(() => w.deliver())).toMatchObject({ errorClass: "transient", status: 500 });
      expect(w.left()).toEqual([]);
      w.clock.advance(60_000);
    }
    expect(await w.deliver()).toMatchObject({ importedAs: NATIVE, fellBack: undefined });
  });

  it("with 500 again and again, and without findings to import instead, is refused for good", async () => {
    const w = world({ empty: "unparsed", fates: [half, half, half, half] });
    expect(await relayErrorBy(() => delivered(w))).toMatchObject({ reason: "report-refused" });
    expect(w.left()).toEqual([]);
  });

  it("stays generic after a redrive", async () => {
    const w = world({ fates: [imports] });
    w.setNote({ fellBack: "why" });
    expect(await w.deliver()).toMatchObject({ importedAs: GENERIC, fellBack: "why" });
  });
});

describe("a report without findings beside it", () => {
  it("is imported as generic where secureCodeBox's parser found nothing in it", async () => {
    const w = world({ empty: "parsed", fates: [() => refused("no"), imports] });
    expect(await w.deliver()).toMatchObject({ importedAs: GENERIC, fellBack: expect.stringContaining("HTTP 400: no") });
  });

  it("is all there is where nobody parsed it: its refusal is final and named, and is tried again by a redrive", async () => {
    const w = world({
      empty: "unparsed",
      fates: [() => refused("Schema of Trivy json report is not supported"), imports],
    });
    const error = await relayErrorBy(() => w.deliver());
    expect(error).toMatchObject({ reason: "report-refused", errorClass: "permanent" });
    expect(error.message).toMatch(
      /parser "Nmap Scan" refused the report: .*Schema of Trivy.*; there are no findings to import instead/,
    );
    expect(w.sent).toEqual([NATIVE]);
    expect(w.note().fellBack).toBeUndefined();
    expect(await w.deliver()).toMatchObject({ importedAs: NATIVE, fellBack: undefined });
  });

  it("of which this DefectDojo has no parser is refused", async () => {
    const w = world({ empty: "unparsed" });
    const error = await relayErrorBy(() => w.deliver(900, false));
    expect(error).toMatchObject({ reason: "report-refused" });
    expect(error.message).toContain('this DefectDojo has no parser "Nmap Scan"');
  });
});

describe("an import that meets another one", () => {
  const conflict = () =>
    failure("dojo-conflict", "HTTP 409: The request conflicts with an existing record", { status: 409 });
  const met: Fate = (world, scanType) => {
    world.add({ completeAt: Number.POSITIVE_INFINITY, scanType });
    return conflict();
  };

  it("is cleared and sent again as it was, with a jitter", async () => {
    const w = world({ fates: [met, conflict, imports] });
    expect(await w.deliver()).toMatchObject({ testId: 2, importedAs: NATIVE, fellBack: undefined });
    expect(w.sent).toEqual([NATIVE, NATIVE, NATIVE]);
    expect(w.calls).toEqual(["delete 1"]);
    expect(w.clock.slept).toHaveLength(2);
  });

  it("each time is a failure that a retry may mend", async () => {
    const w = world({ fates: [met, met, met, imports] });
    expect(await relayErrorBy(() => w.deliver())).toMatchObject({ reason: "dojo-conflict", errorClass: "transient" });
    expect(w.left()).toEqual([]);
    expect(w.note().postedAt).toBeUndefined();
    expect(await w.deliver()).toMatchObject({ importedAs: NATIVE });
  });
});

describe("a refusal that is not the parser's", () => {
  it.each([
    ["500 without a test", crashed(), "transient"],
    ["429", failure("dojo-busy", "HTTP 429", { status: 429, retryAfterSeconds: 7 }), "transient"],
    ["connection refused", failure("dojo-unreachable", "connect ECONNREFUSED"), "transient"],
    ["403", failure("dojo-forbidden", "HTTP 403", { status: 403 }), "permanent"],
    ["413", failure("dojo-too-large", "HTTP 413", { status: 413 }), "permanent"],
    ["400 with a field", refused('scan_type: "Nope Scan" is not a valid choice.'), "permanent"],
    ["400 with several fields", refused("lead: x; version: y"), "permanent"],
    ["an engagement that is gone", refused('Engagement "5" does not exist'), "permanent"],
  ])("%s is thrown as it is, and nothing is waited for then", async (_, error, errorClass) => {
    const w = world({ fates: [() => error, imports] });
    const start = w.clock.now();
    expect(await relayErrorBy(() => w.deliver())).toBe(error);
    expect(error.errorClass).toBe(errorClass);
    expect(w.note().postedAt).toBeUndefined();
    expect(await w.deliver()).toMatchObject({ testId: 1, importedAs: NATIVE });
    expect(w.clock.now()).toBe(start);
  });

  it("is no refusal where the import is complete all the same", async () => {
    const w = world({
      fates: [
        (world) => {
          world.add();
          return crashed();
        },
      ],
    });
    expect(await w.deliver()).toMatchObject({ testId: 1, answer: undefined });
  });
});

describe("an import that kept fewer than the scanner found", () => {
  /** Two of three by a native parser, all by the generic one. */
  const fewer: Fate = (world, scanType) => {
    const kept = scanType === GENERIC ? 3 : 2;
    return { testId: world.add({ scanType, findingsAt: () => kept }).id, total: kept, deduplicated: true };
  };
  const lost = () => unknown();
  const WHY = `DefectDojo's parser "Nmap Scan" kept 2 of 3 findings`;

  it("stays where nothing else is asked for", async () => {
    const w = world({ fates: [fewer] });
    expect(await w.deliver()).toMatchObject({ testId: 1, importedAs: NATIVE, fellBack: undefined });
  });

  it("is replaced by a generic one, the only test in the end", async () => {
    const w = world({ fates: [fewer, fewer], onFewerFindings: "generic" });
    expect(await w.deliver()).toMatchObject({ testId: 2, importedAs: GENERIC, fellBack: WHY, answer: { total: 3 } });
    expect(w.sent).toEqual([NATIVE, GENERIC]);
    expect(w.left().map(({ id }) => id)).toEqual([2]);
    expect(w.note()).toMatchObject({ replaces: 1, fellBack: WHY, expected: 3 });
    expect(w.note().kept).toBeUndefined();
    expect(w.messages("warn")).toContainEqual(expect.stringContaining(WHY));
  });

  it("is waited for, not deleted over and over, while DefectDojo deletes it in the background", async () => {
    const w = world({ fates: [fewer, fewer], onFewerFindings: "generic", deletionMs: 30_000, lookMs: [10] });
    expect(await w.deliver()).toMatchObject({ testId: 2, importedAs: GENERIC });
    expect(w.calls).toEqual(["delete 1"]);
    const short = world({ fates: [fewer], onFewerFindings: "generic", deletionMs: 30_000, lookMs: [10] });
    await expect(short.deliver(15)).rejects.toThrow("DefectDojo deletes test 1 in the background");
  });

  it("is closed and retitled where it may not be deleted", async () => {
    const w = world({ fates: [fewer, fewer], onFewerFindings: "generic", mayDelete: false });
    expect(await w.deliver()).toMatchObject({ testId: 2, importedAs: GENERIC });
    expect(w.calls).toEqual(["delete 1", "close 1", expect.stringContaining(`failed-${JOB}`)]);
    expect(w.left().map(({ id }) => id)).toEqual([2]);
  });

  it("is none where it kept as many", async () => {
    const w = world({ fates: [imports], onFewerFindings: "generic" });
    expect(await w.deliver()).toMatchObject({ testId: 1, importedAs: NATIVE, fellBack: undefined });
    expect(w.calls).toEqual([]);
  });

  it("is seen by a later delivery too, by what its import kept where that is known", async () => {
    const w = world({ fates: [fewer], onFewerFindings: "generic" });
    w.add({ findingsAt: () => 2 });
    expect(await w.deliver()).toMatchObject({ testId: 2, importedAs: GENERIC, fellBack: WHY });
    const known = world({ onFewerFindings: "generic" });
    known.setNote({ kept: 3 });
    known.add({ findingsAt: () => 2 });
    expect(await known.deliver()).toMatchObject({ testId: 1, importedAs: NATIVE });
  });

  it("was decided on, and is not again once it was written back", async () => {
    const w = world({ onFewerFindings: "generic", own: true });
    w.add({ findingsAt: () => 2 });
    expect(await w.deliver()).toMatchObject({ testId: 1, importedAs: NATIVE });
  });

  it.each([
    ["before", true],
    ["after", false],
  ])("is continued by the next delivery where the importer died %s it was removed", async (_, there) => {
    const w = world({ fates: [fewer], onFewerFindings: "generic" });
    w.setNote({ replaces: 1, fellBack: WHY });
    if (there) w.add({ findingsAt: () => 2 });
    else w.add({ buildId: "another" });
    expect(await w.deliver(900, true, "another message")).toMatchObject({
      testId: 2,
      importedAs: GENERIC,
      fellBack: WHY,
    });
    expect(w.sent).toEqual([GENERIC]);
    expect(w.left().map(({ id }) => id)).toEqual([2]);
  });

  it("is not sent natively again where the generic import has no answer", async () => {
    const w = world({ fates: [fewer, lost, fewer], onFewerFindings: "generic" });
    expect(await relayErrorBy(() => w.deliver())).toMatchObject({ reason: "import-unknown" });
    expect(await w.deliver()).toMatchObject({ importedAs: GENERIC, fellBack: WHY });
    expect(w.sent).toEqual([NATIVE, GENERIC, GENERIC]);
  });

  it("is what another delivery finds after the replacement: nothing is sent again", async () => {
    const w = world({ fates: [fewer, fewer], onFewerFindings: "generic" });
    await w.deliver();
    expect(await w.deliver(900, true, "another message")).toMatchObject({
      testId: 2,
      importedAs: GENERIC,
      fellBack: WHY,
    });
    expect(w.sent).toHaveLength(2);
  });

  it("is replaced too where it shows up late, from a POST that was taken for lost", async () => {
    const w = world({ fates: [fewer], onFewerFindings: "generic" });
    w.setNote({ replaces: 7, fellBack: "before" });
    w.add({ findingsAt: () => 2 });
    expect(await w.deliver()).toMatchObject({ testId: 2, importedAs: GENERIC, fellBack: WHY });
    expect(w.left()).toHaveLength(1);
  });

  it("is kept after all where the operator no longer wants it replaced", async () => {
    const w = world({ fates: [imports], onFewerFindings: "keep" });
    w.setNote({ replaces: 1, fellBack: WHY });
    w.add({ findingsAt: () => 2 });
    expect(await w.deliver()).toMatchObject({ testId: 1, importedAs: NATIVE, fellBack: undefined });
    const gone = world({ fates: [fewer, () => refused("no"), fewer], onFewerFindings: "generic" });
    expect(await relayErrorBy(() => gone.deliver())).toMatchObject({ reason: "import-refused" });
    gone.set("keep");
    expect(await gone.deliver()).toMatchObject({ importedAs: NATIVE, fellBack: undefined });
    expect(gone.sent).toEqual([NATIVE, GENERIC, NATIVE]);
    expect(gone.note().replaces).toBeUndefined();
  });
});

describe("what may not be deleted", () => {
  it("is closed first, and loses the job's build id last", async () => {
    const w = world({ fates: [imports], mayDelete: false });
    w.add({ completeAt: Number.POSITIVE_INFINITY, title: "Ports" });
    expect(await w.deliver()).toMatchObject({ testId: 2 });
    expect(w.calls).toEqual(["delete 1", "close 1", `update 1: [failed import, ignore] Ports, failed-${JOB}`]);
    expect(w.left().map(({ id }) => id)).toEqual([2]);
    expect(w.messages("warn")).toContainEqual(expect.stringContaining("could not be removed"));
  });

  it("is retitled within DefectDojo's column, and in whole characters", async () => {
    const w = world({ fates: [imports], mayDelete: false });
    w.add({ completeAt: Number.POSITIVE_INFINITY, title: `${"x".repeat(230)}😀${"y".repeat(20)}` });
    await w.deliver();
    const title = /^update 1: (.*), failed-/.exec(w.calls.at(-1) ?? "")?.[1] ?? "";
    expect(title.startsWith("[failed import, ignore] xxx")).toBe(true);
    expect(title.length).toBeLessThanOrEqual(255);
    expect(title.isWellFormed()).toBe(true);
  });

  describe("with more findings than a delivery can close", () => {
    const closed = (id: number) => ["close", "update"].map((what) => expect.stringContaining(`${what} ${id}`));

    it("is gone on with in the next deliveries, none of which fails or waits again", async () => {
      const w = world({ fates: [imports], mayDelete: false, open: 2_000 });
      w.add({ completeAt: Number.POSITIVE_INFINITY });
      for (let delivery = 1; delivery <= 2; delivery++) {
        const error = await thrownBy(() => w.deliver());
        expect(error).toMatchObject({ seconds: 0, message: expect.stringContaining("test 1") });
        expect(error).toBeInstanceOf(Deferral);
        expect(w.calls.at(-1)).toBe("close 1 in part");
      }
      const start = w.clock.now();
      expect(await w.deliver()).toMatchObject({ testId: 2 });
      expect(w.clock.now() - start).toBeLessThan(TIMING.stalledMs + 300_000);
      expect(w.calls.slice(-2)).toEqual(closed(1));
      expect(w.sent).toEqual([NATIVE]);
    });

    it("does not make the refusal forgotten that left it behind", async () => {
      const half: Fate = (world) => {
        world.add({ completeAt: Number.POSITIVE_INFINITY, findingsAt: () => 0 });
        return crashed();
      };
      const w = world({ fates: [half, half, half, half, imports], mayDelete: false, open: 1_500 });
      expect(await thrownBy(() => w.deliver())).toBeInstanceOf(Deferral);
      expect(w.note()).toMatchObject({ refusals: 1 });
      expect(w.note().postedAt).toBeUndefined();
      const delivered = async (): Promise<Ensured> => {
        const outcome = await w.deliver().catch((error: unknown) => error);
        if (!(outcome instanceof Deferral)) return outcome as Ensured;
        w.clock.advance(outcome.seconds * 1000);
        return await delivered();
      };
      const imported = await delivered();
      expect(imported).toMatchObject({ importedAs: GENERIC });
      expect(w.sent).toEqual([NATIVE, NATIVE, NATIVE, NATIVE, GENERIC]);
      expect(w.left()).toHaveLength(1);
    });

    it("does not hide that the report was refused for good", async () => {
      const half: Fate = (world) => {
        world.add({ completeAt: Number.POSITIVE_INFINITY });
        return refused("no");
      };
      const w = world({ fates: [half], mayDelete: false, open: 2_000 });
      w.setNote({ fellBack: "why" });
      expect(await relayErrorBy(() => w.deliver())).toMatchObject({ reason: "import-refused" });
      expect(w.messages("warn")).toContainEqual(expect.stringContaining("not cleared yet"));
      expect(w.note().postedAt).toBeUndefined();
    });
  });
});
