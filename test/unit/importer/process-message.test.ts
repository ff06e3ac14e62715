import { describe, expect, it, vi } from "vitest";
import { REASONS, type Reason, RelayError, type RelayErrorOptions } from "../../../lib/errors.ts";
import type { Checkpoint } from "../../../lib/importer/checkpoint.ts";
import { importRecord } from "../../../lib/importer/process-message.ts";
import type { RecordSettings } from "../../../lib/importer/settings.ts";
import type { JobMessage } from "../../../lib/importer/settle-message.ts";
import { encodeJob, type Job, jobKey, keyOf } from "../../../lib/model/job.ts";
import { checkpointOf, receiptOf, sibling } from "../../../lib/model/object-keys.ts";
import { ownMetadata } from "../../../lib/model/receipt.ts";
import { runOf } from "../../../lib/model/run.ts";
import type { DefectDojo } from "../../../lib/ports/defectdojo.ts";
import { backoffSeconds } from "../../../lib/util/backoff.ts";
import {
  aGenericScan,
  aJob,
  annotatedSidecar,
  aReceipt,
  aSidecar,
  aTest,
  ETAG,
  FINDINGS,
} from "../../helpers/factories.ts";
import { deliveryOf } from "../../helpers/fake-clock.ts";
import { importWorld } from "../../helpers/import-world.ts";
import { recordSettings } from "../../helpers/settings.ts";

const JOB = aJob({ scan: aGenericScan() });
const KEY = jobKey(JOB);
const PENDING = checkpointOf(FINDINGS);
const URI = "s3://securecodebox/scan-abc/findings.json";
const SETTINGS = recordSettings();

/** An upload of no findings, and a DefectDojo that imports it at once. */
function world(methods: Partial<DefectDojo> = {}) {
  const w = importWorld({ methods });
  w.storage.put(FINDINGS, "[]");
  return {
    ...w,
    imports: () => w.sent.map(({ request }) => request.buildId),
    note: () => JSON.parse(w.storage.text(PENDING) ?? "null") as Checkpoint | null,
    putNote: (note: Partial<Checkpoint>) =>
      w.storage.put(PENDING, JSON.stringify({ version: 1, jobKey: KEY, refusals: 0, ...note })),
    deliver: (
      changes: Partial<JobMessage> = {},
      { settings = {}, remainingMs = 900_000 }: { settings?: Partial<RecordSettings>; remainingMs?: number } = {},
    ) =>
      importRecord(
        {
          messageId: "m-1",
          body: encodeJob(JOB),
          receiptHandle: "handle",
          group: "group",
          receiveCount: 1,
          ...changes,
        },
        w,
        { ...SETTINGS, ...settings },
        deliveryOf(w.clock, remainingMs),
      ),
  };
}
const failing = (reason: Reason, options: RelayErrorOptions = {}) =>
  world({
    testsByBuildId: async () => {
      throw new RelayError(reason, `it is ${reason}`, { object: "GET /api/v2/tests/", ...options });
    },
  });
const attributesOf = (w: ReturnType<typeof world>) => w.dlq.sent[0]?.attributes ?? {};

describe("a job that ends well", () => {
  it("is settled, with a receipt and no note left behind", async () => {
    const w = world();
    expect(await w.deliver()).toMatchObject({ settled: true, outcome: { outcome: "synced" } });
    expect(w.imports()).toEqual([KEY]);
    expect(JSON.parse(w.storage.text(receiptOf(FINDINGS)) ?? "")).toMatchObject({ jobKey: KEY, outcome: "synced" });
    expect(w.note()).toBeNull();
    expect(w.dlq.sent).toEqual([]);
    expect(w.queue.visibility).toEqual([{ receiptHandle: "handle", seconds: 120 }]);
    expect(w.counts.get("JobsFinished")).toBe(1);
  });

  it("is done before at its second delivery", async () => {
    const w = world();
    await w.deliver();
    expect(await w.deliver({ receiveCount: 2 })).toMatchObject({ settled: true, outcome: { outcome: "done-before" } });
    expect(w.imports()).toHaveLength(1);
  });

  it("is superseded by a newer upload, and leaves its note behind no longer", async () => {
    const w = world();
    w.putNote({ waits: { messageId: "m-1", count: 1 } });
    w.storage.put(FINDINGS, "[ ]");
    expect(await w.deliver()).toMatchObject({ settled: true, outcome: { outcome: "superseded" } });
    expect(w.note()).toBeNull();
    expect(w.counts.get("JobsSuperseded")).toBe(1);
    expect(w.storage.text(FINDINGS)).toBe("[ ]");
  });
});

describe("a permanent failure", () => {
  const permanent = (Object.keys(REASONS) as Reason[]).filter((reason) => REASONS[reason][0] === "permanent");

  it.each(permanent)("%s is dead-lettered after one try, with reason, class and advice", async (reason) => {
    const w = failing(reason);
    const outcome = await w.deliver();
    expect(outcome).toMatchObject({ settled: true, deadLettered: { reason } });
    expect(w.dlq.sent).toHaveLength(1);
    expect(w.dlq.sent[0]).toMatchObject({ body: encodeJob(JOB), group: "group" });
    expect(attributesOf(w)).toMatchObject({
      reason,
      errorClass: "permanent",
      advice: REASONS[reason][1],
      message: `it is ${reason}`,
      subject: "security/subfinder-example",
      attempts: "1",
    });
    expect(w.storage.text(FINDINGS)).toBe("[]");
    expect(w.note()).toBeNull();
    expect(w.counts.get("JobsDeadLettered")).toBe(1);
  });

  it.each(["{", "null", '{"version":2}'])("a malformed job (%s) is dead-lettered by its message", async (body) => {
    const w = world();
    expect(await w.deliver({ body })).toMatchObject({
      settled: true,
      deadLettered: { reason: "job-invalid", object: "message m-1" },
    });
    expect(w.dlq.sent[0]).toMatchObject({ body, attributes: { subject: "message m-1" } });
    expect(w.storage.calls).toEqual([]);
  });

  it("keeps the note where an import may still show up, or fell back", async () => {
    for (const note of [{ postedAt: "2026-11-24T11:59:59.000Z" }, { fellBack: "why" }]) {
      const w = failing("dojo-forbidden");
      w.putNote(note);
      await w.deliver();
      expect(w.note()).toMatchObject(note);
    }
  });

  it("of the store itself ends in the dead-letter queue too, though no note can be read", async () => {
    const w = world();
    w.storage.before = (_, ref) => {
      throw new RelayError("storage-forbidden", `${ref.key}: AccessDenied`, { object: "s3://x", status: 403 });
    };
    expect(await w.deliver()).toMatchObject({ settled: true, deadLettered: { reason: "storage-forbidden" } });
    expect(w.dlq.sent).toHaveLength(1);
    expect(attributesOf(w)).toMatchObject({ reason: "storage-forbidden", errorClass: "permanent" });
  });

  it("is dead-lettered once, also where its note cannot be removed", async () => {
    const w = failing("dojo-forbidden");
    w.putNote({});
    w.storage.before = (call) => {
      if (call === "remove") throw new RelayError("storage-unavailable", "down", { object: "s3://x" });
    };
    expect(await w.deliver()).toMatchObject({ settled: true });
    expect(w.dlq.sent).toHaveLength(1);
  });

  it("that cannot be dead-lettered comes again", async () => {
    const w = failing("dojo-forbidden");
    w.dlq.before = () => {
      throw new RelayError("queue-unavailable", "down", { object: "dlq" });
    };
    expect(await w.deliver()).toMatchObject({ settled: false, error: { reason: "queue-unavailable" } });
    expect(w.messages("error")).toEqual(["the message could not be settled; the queue redelivers it"]);
  });
});

describe("a transient failure", () => {
  it("comes again, hidden for a while", async () => {
    const w = failing("dojo-unavailable");
    expect(await w.deliver()).toMatchObject({ settled: false, error: { reason: "dojo-unavailable" } });
    const { receiptHandle, seconds } = w.queue.visibility.at(-1) ?? {};
    expect(receiptHandle).toBe("handle");
    expect(seconds).toBeGreaterThanOrEqual(3);
    expect(seconds).toBeLessThanOrEqual(5);
    expect(w.dlq.sent).toEqual([]);
    expect(w.counts.get("JobsRetried")).toBe(1);
  });

  it("is hidden the longer, the oftener it failed", async () => {
    const hidden: number[] = [];
    for (const receiveCount of [1, 2, 3, 4]) {
      const w = failing("dojo-unavailable");
      await w.deliver({ receiveCount });
      hidden.push(w.queue.visibility.at(-1)?.seconds ?? 0);
    }
    for (const [i, seconds] of hidden.entries()) {
      expect(seconds).toBeGreaterThanOrEqual(Math.floor(2.5 * 2 ** i));
      expect(seconds).toBeLessThanOrEqual(5 * 2 ** i);
    }
  });

  it("is hidden for as long as DefectDojo asks", async () => {
    const w = failing("dojo-busy", { retryAfterSeconds: 77.2 });
    await w.deliver();
    expect(w.queue.visibility.at(-1)?.seconds).toBe(78);
  });

  it("is dead-lettered after the last try, as what it was", async () => {
    const w = failing("dojo-unavailable");
    expect(await w.deliver({ receiveCount: 4 })).toMatchObject({ settled: false });
    expect(await w.deliver({ receiveCount: 5 })).toMatchObject({ settled: true });
    expect(attributesOf(w)).toMatchObject({ reason: "dojo-unavailable", errorClass: "transient", attempts: "5" });
  });

  it("of an outcome that is not known is one too", async () => {
    const w = failing("import-unknown");
    expect(await w.deliver()).toMatchObject({ settled: false, error: { reason: "import-unknown" } });
  });

  it("that nobody expected is one too, named by what it was about", async () => {
    const w = world({
      testsByBuildId: async () => {
        throw new TypeError("x is not a function");
      },
    });
    expect(await w.deliver()).toMatchObject({ settled: false, error: { reason: "internal", object: URI } });
  });

  it("is noted for people where there is a note", async () => {
    const w = failing("dojo-unavailable");
    w.putNote({ refusals: 1 });
    await w.deliver();
    expect(w.note()).toMatchObject({
      refusals: 1,
      lastError: { reason: "dojo-unavailable", message: "it is dojo-unavailable", at: "2026-11-24T12:00:00.000Z" },
    });
  });

  it("of a store that is away is no reason to give the job up", async () => {
    const w = world();
    w.storage.before = () => {
      throw new RelayError("storage-unavailable", "down", { object: "s3://x" });
    };
    // How often it only waited cannot be read either.
    expect(await w.deliver({ receiveCount: 9 })).toMatchObject({ settled: false });
    expect(w.dlq.sent).toEqual([]);
  });

  it("of a message that is no longer ours changes nothing", async () => {
    const w = failing("dojo-forbidden");
    w.putNote({ refusals: 1 });
    w.queue.before = () => {
      throw new RelayError("queue-unavailable", "the receipt handle has expired", { object: "queue" });
    };
    expect(await w.deliver()).toMatchObject({ settled: false });
    expect(w.dlq.sent).toEqual([]);
    expect(w.note()).toEqual({ version: 1, jobKey: KEY, refusals: 1 });
  });
});

describe("a long import", () => {
  /** An import that is still running, and grows. */
  const running = () => {
    const w: ReturnType<typeof world> = world({ findingCount: async () => Math.floor(w.clock.now() / 1_000) });
    w.tests.push(aTest({ buildId: KEY, percentComplete: 50 }));
    return w;
  };

  it("is handed back before the delivery ends, and is no failure", async () => {
    const w = running();
    const end = w.clock.now() + 60_000;
    expect(await w.deliver({}, { remainingMs: 60_000 })).toMatchObject({ settled: false, error: { name: "Deferral" } });
    expect(w.clock.now()).toBeLessThan(end);
    expect(w.note()).toMatchObject({ waits: { messageId: "m-1", count: 1 } });
    expect(w.queue.visibility.at(-1)?.seconds).toBeLessThanOrEqual(10);
    expect(w.counts.get("JobsWaiting")).toBe(1);
    expect(w.dlq.sent).toEqual([]);
  });

  it("may be handed back far more often than a job may fail", async () => {
    const w = running();
    for (let receiveCount = 1; receiveCount <= 20; receiveCount++)
      expect(await w.deliver({ receiveCount }, { remainingMs: 60_000 })).toMatchObject({ settled: false });
    expect(w.note()).toMatchObject({ waits: { count: 20 } });
    expect(w.dlq.sent).toEqual([]);
    w.tests.splice(0, 1, aTest({ buildId: KEY, scanType: "Nmap Scan" }));
    w.storage.put(receiptOf(FINDINGS), "{");
  });

  it("is handed back without being counted where its note cannot be read", async () => {
    const w = running();
    w.putNote({ waits: { messageId: "m-1", count: 3 } });
    let reads = 0;
    w.storage.before = (call, { key }) => {
      if (call === "read" && key === PENDING.key && ++reads === 3)
        throw new RelayError("storage-unavailable", "down", { object: "s3://x" });
    };
    expect(await w.deliver({ receiveCount: 4 }, { remainingMs: 60_000 })).toMatchObject({
      error: { name: "Deferral" },
    });
    expect(w.note()).toMatchObject({ waits: { count: 3 } });
  });

  it("that fails after its waits is counted by its failures alone", async () => {
    const w = failing("dojo-unavailable");
    w.putNote({ waits: { messageId: "m-1", count: 20 } });
    expect(await w.deliver({ receiveCount: 21 })).toMatchObject({ settled: false });
    expect(w.queue.visibility.at(-1)?.seconds).toBeLessThanOrEqual(5);
    expect(await w.deliver({ receiveCount: 25 })).toMatchObject({ settled: true });
    expect(attributesOf(w)).toMatchObject({ attempts: "5" });
  });

  it("that was redriven has another message, whose deliveries are counted anew", async () => {
    const w = failing("dojo-unavailable");
    w.putNote({ waits: { messageId: "m-0", count: 20 } });
    expect(await w.deliver({ receiveCount: 2 })).toMatchObject({ settled: false });
    expect(await w.deliver({ receiveCount: 5 })).toMatchObject({ settled: true });
  });
});

describe("while it works", () => {
  it("the message is kept hidden, and no longer once it is settled", async () => {
    vi.useFakeTimers();
    try {
      let finish: () => void = () => undefined;
      const waiting = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const w = world({
        user: async () => {
          await waiting;
          return { id: 2, username: "token", superuser: true };
        },
      });
      const done = w.deliver();
      await vi.advanceTimersByTimeAsync(130_000);
      expect(w.queue.visibility).toEqual(Array(4).fill({ receiptHandle: "handle", seconds: 120 }));
      finish();
      await done;
      await vi.advanceTimersByTimeAsync(1_000_000);
      expect(w.queue.visibility).toHaveLength(4);
    } finally {
      vi.useRealTimers();
    }
  });

  it("the message is no longer hidden, and nothing settled for it, when the delivery's time is over", async () => {
    vi.useFakeTimers();
    try {
      const asked = Promise.withResolvers<void>();
      const waiting = Promise.withResolvers<never>();
      const user = () => {
        asked.resolve();
        return waiting.promise;
      };
      const w = world({ user });
      const done = w.deliver({ receiveCount: 5 }, { remainingMs: 60_000 });
      await asked.promise;
      await vi.advanceTimersByTimeAsync(50_000);
      w.clock.advance(60_000);
      await vi.advanceTimersByTimeAsync(1_000_000);
      expect(w.queue.visibility).toHaveLength(2);
      waiting.reject(new RelayError("dojo-forbidden", "HTTP 403", { object: "GET /api/v2/user_profile/" }));
      expect(await done).toMatchObject({ settled: false });
      expect([w.queue.visibility.length, w.dlq.sent.length]).toEqual([2, 0]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("goes on where the message cannot be kept hidden", async () => {
    vi.useFakeTimers();
    try {
      const w = world({
        user: async () => {
          await vi.advanceTimersByTimeAsync(50_000);
          return { id: 2, username: "token", superuser: true };
        },
      });
      w.queue.before = () => {
        throw new RelayError("queue-unavailable", "down", { object: "queue" });
      };
      expect(await w.deliver()).toMatchObject({ settled: true });
      expect(w.messages("warn")).toEqual(Array(2).fill("the message's visibility could not be extended"));
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a job that was dead-lettered without its Scan", () => {
  const { scan: _, ...bare } = JOB;
  const body = encodeJob(bare as Job);

  it("is done once the sidecar is there", async () => {
    const w = world();
    w.storage.put(
      sibling(FINDINGS, "scan.json"),
      JSON.stringify(aSidecar({ spec: { scanType: "subfinder" }, status: { rawResultType: null } })),
    );
    expect(await w.deliver({ body })).toMatchObject({ settled: true, outcome: { outcome: "synced" } });
    expect(w.imports()).toEqual([KEY]);
  });

  it("comes again while the sidecar is missing, and is dead-lettered as what it was in the end", async () => {
    const w = world();
    expect(await w.deliver({ body })).toMatchObject({ settled: false, error: { reason: "sidecar-missing" } });
    expect(await w.deliver({ body, receiveCount: 5 })).toMatchObject({ settled: true });
    expect(w.dlq.sent[0]).toMatchObject({ body, attributes: { reason: "sidecar-missing", subject: URI } });
  });

  it("is dead-lettered again where the sidecar is bad", async () => {
    const w = world();
    w.storage.put(sibling(FINDINGS, "scan.json"), "{");
    expect(await w.deliver({ body })).toMatchObject({ settled: true, deadLettered: { reason: "sidecar-invalid" } });
  });

  it("ends where a newer upload has taken the place", async () => {
    const w = world();
    w.storage.put(FINDINGS, "[ ]");
    expect(await w.deliver({ body })).toMatchObject({ settled: true, outcome: { outcome: "superseded" } });
    expect(w.imports()).toEqual([]);
  });

  it("ends where the scan is not to be imported", async () => {
    const w = world();
    w.storage.put(sibling(FINDINGS, "scan.json"), JSON.stringify(annotatedSidecar({ "do-not-import": "true" })));
    expect(await w.deliver({ body })).toMatchObject({ outcome: { outcome: "superseded", why: "do-not-import" } });
  });

  it("goes on after its own write-back, whose receipt is missing", async () => {
    const w = world();
    w.storage.put(
      sibling(FINDINGS, "scan.json"),
      JSON.stringify(aSidecar({ spec: { scanType: "subfinder" }, status: { rawResultType: null } })),
    );
    w.tests.push(aTest({ buildId: KEY, scanType: "Generic Findings Import" }));
    w.storage.put(FINDINGS, "[]\n", ownMetadata(JOB));
    expect(await w.deliver({ body })).toMatchObject({ outcome: { outcome: "synced", receipt: { jobKey: KEY } } });
    expect(w.imports()).toEqual([]);
  });
});

describe("a resync", () => {
  const resync = encodeJob({ ...JOB, kind: "resync" });

  it("reads a finished test again, and imports nothing", async () => {
    const w = world();
    await w.deliver();
    expect(await w.deliver({ body: resync, messageId: "m-2" })).toMatchObject({ outcome: { outcome: "synced" } });
    expect(w.imports()).toHaveLength(1);
  });

  it("without a receipt is dead-lettered", async () => {
    const w = world();
    expect(await w.deliver({ body: resync })).toMatchObject({
      settled: true,
      deadLettered: { reason: "job-invalid", object: URI },
    });
  });

  it("of a test that was deleted notes it in the receipt, and is no dead letter", async () => {
    const w = world();
    await w.deliver();
    w.tests.splice(0);
    const [findings, receipt] = [w.storage.text(FINDINGS), w.storage.text(receiptOf(FINDINGS)) ?? ""];
    for (const _ of [1, 2]) {
      expect(await w.deliver({ body: resync })).toMatchObject({
        outcome: { outcome: "superseded", why: expect.stringMatching(/test \d+ of .* is no longer in DefectDojo/) },
      });
    }
    expect(w.storage.text(FINDINGS)).toBe(findings);
    const { warnings, ...rest } = JSON.parse(w.storage.text(receiptOf(FINDINGS)) ?? "");
    const before = JSON.parse(receipt);
    expect({ ...rest, warnings: before.warnings }).toEqual(before);
    expect(warnings).toEqual([...before.warnings, expect.stringMatching(/^test \d+ is no longer in DefectDojo/)]);
  });

  it("of findings that were uploaded anew is superseded", async () => {
    const w = world();
    await w.deliver();
    w.storage.put(FINDINGS, "[ ]");
    expect(await w.deliver({ body: resync })).toMatchObject({ outcome: { outcome: "superseded" } });
    expect(w.storage.text(FINDINGS)).toBe("[ ]");
  });

  it("of another upload's receipt is superseded", async () => {
    const w = world();
    await w.deliver();
    w.storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt(aJob({ etag: "other" }))));
    expect(await w.deliver({ body: resync })).toMatchObject({ outcome: { outcome: "superseded" } });
  });
});

describe("backoffSeconds", () => {
  it.each([
    [1, 2.5, 5],
    [2, 5, 10],
    [3, 10, 20],
    [5, 40, 80],
    [9, 450, 900],
    [50, 450, 900],
    [5_000, 450, 900],
    [0, 2.5, 5],
    [-3, 2.5, 5],
  ])("after %d failures lies between %d and %d", (failures, least, most) => {
    expect(backoffSeconds(failures, undefined, () => 0)).toBe(Math.round(least));
    expect(backoffSeconds(failures, undefined, () => 0.999999)).toBe(most);
    for (let i = 0; i < 20; i++) {
      expect(backoffSeconds(failures, undefined)).toBeGreaterThanOrEqual(Math.floor(least));
      expect(backoffSeconds(failures, undefined)).toBeLessThanOrEqual(most);
    }
  });

  it("is never less than was asked for, nor cut short by it", () => {
    expect(backoffSeconds(1, 100.1)).toBe(101);
    expect(backoffSeconds(9, 1)).toBeGreaterThanOrEqual(450);
  });
});

it("has a job's ETag and run in its key", () => {
  expect(KEY).toBe(keyOf(FINDINGS, ETAG, runOf(JOB.scan)));
});
