import { describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { type IngestPorts, ingest } from "../../../lib/ingest/ingest.ts";
import { makeJob } from "../../../lib/ingest/make-job.ts";
import { parseNotification } from "../../../lib/ingest/notifications.ts";
import type { IngestSettings } from "../../../lib/ingest/settings.ts";
import { decodeJob, encodeJob, jobKey, messageGroup } from "../../../lib/model/job.ts";
import { type ObjectRef, receiptOf, sibling } from "../../../lib/model/object-keys.ts";
import { ownMetadata } from "../../../lib/model/receipt.ts";
import { eventBridge, minioEvent, s3Event, s3Record, sqsEvent } from "../../helpers/events.ts";
import { aJob, annotatedSidecar, aReceipt, aScan, aSidecar, ETAG, FINDINGS } from "../../helpers/factories.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { memoryQueue } from "../../helpers/memory-queue.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";

/** When the events of the tests say that they happened. */
const EVENT_TIME = "2026-11-24T17:01:43.829Z";
const SETTINGS: IngestSettings = {
  sidecarName: "scan.json",
  maxSidecarBytes: 1_048_576,
  findingsName: "findings.json",
  hookLabels: undefined,
  sidecarGraceMs: 30_000,
};
const MINE = { eTag: ETAG };

/** A bucket with one scan, and queues. */
function world(settings: Partial<IngestSettings> = {}, secondsAfter = 1) {
  const storage = memoryStorage();
  const [queue, dlq] = [memoryQueue(), memoryQueue()];
  const { log, metrics, counts, messages, lines } = recorder();
  const clock = fakeClock(EVENT_TIME);
  clock.advance(secondsAfter * 1000);
  const ports: IngestPorts = { storage, queue, dlq, clock, log, metrics };
  const upload = (ref: ObjectRef = FINDINGS, sidecar: unknown = aSidecar(), content = "[]") => {
    if (sidecar !== null)
      storage.put(sibling(ref, "scan.json"), typeof sidecar === "string" ? sidecar : JSON.stringify(sidecar));
    return storage.put(ref, content);
  };
  return {
    storage,
    queue,
    dlq,
    counts,
    messages,
    lines,
    ports,
    upload,
    ingest: (event: unknown) => ingest(event, ports, { ...SETTINGS, ...settings }),
    jobs: () => queue.sent.map(({ body }) => decodeJob(body, "message")),
  };
}
const NOTHING = { enqueued: [], ignored: 0, deadLettered: 0, failed: [] };

describe("findings that land", () => {
  it("are a job, in the group of its product", async () => {
    const w = world();
    w.upload();
    const result = await w.ingest(s3Event({ ...MINE, versionId: "v1" }));
    const [job] = w.jobs();
    expect(result).toEqual({ ...NOTHING, enqueued: [jobKey(aJob())] });
    expect(job).toEqual({
      version: 1,
      kind: "import",
      ...FINDINGS,
      etag: ETAG,
      versionId: "v1",
      sequencer: "18EB09D8F2CA398B",
      scan: expect.objectContaining({ name: "nmap-example", scanType: "nmap" }),
    });
    expect(w.queue.sent[0]?.group).toBe(messageGroup(job ?? aJob()));
    expect(w.counts.get("JobsEnqueued")).toBe(1);
  });

  it.each([
    ["MinIO", minioEvent(MINE)],
    ["EventBridge", eventBridge({ etag: ETAG })],
    ["SQS", sqsEvent(s3Event(MINE))],
    ["a source that does not say the ETag", s3Event({ eTag: undefined })],
  ])("are one also from %s", async (_, event) => {
    const w = world();
    w.upload();
    expect(await w.ingest(event)).toMatchObject({ enqueued: [jobKey(aJob())] });
    expect(w.jobs()[0]?.etag).toBe(ETAG);
  });

  it("are the same message for each notification of one upload, and another for the same content uploaded again", async () => {
    const w = world();
    w.upload();
    for (const event of [s3Event(MINE), minioEvent(MINE), s3Event({ ...MINE, sequencer: "18EB09D8F2CA398C" })])
      await w.ingest(event);
    const [first, again, later] = w.queue.sent.map(({ deduplicationId }) => deduplicationId);
    expect(again).toBe(first);
    expect(later).not.toBe(first);
  });

  it("are found under the names that are configured", async () => {
    const w = world({ findingsName: "f.json", sidecarName: "s.json" });
    const ref = { ...FINDINGS, key: "a b/f.json" };
    w.storage.put({ ...ref, key: "a b/s.json" }, JSON.stringify(aSidecar()));
    w.storage.put(ref, "[]");
    expect(await w.ingest(s3Event({ ...MINE, key: "a+b/f.json" }))).toMatchObject({
      enqueued: [jobKey(aJob(ref))],
    });
    expect(await w.ingest(s3Event({ key: "a+b/findings.json" }))).toMatchObject({ ignored: 1 });
  });
});

describe("a notification whose ETag is not the object's", () => {
  it.each(["0", "d751713988987e9331980363e24189ce-1", 'W/"d751713988987e9331980363e24189ce"'])(
    "%s: is warned of, and a job of the object's own",
    async (eTag) => {
      const w = world();
      w.upload();
      expect(await w.ingest(s3Event({ eTag }))).toMatchObject({ enqueued: [jobKey(aJob())], ignored: 0 });
      expect(decodeJob(w.queue.sent[0]?.body ?? "", "message")).toMatchObject({ etag: ETAG });
      expect(w.messages("warn")).toEqual(["the notification's ETag is not the object's; using the object's own"]);
    },
  );

  it("an upload that a newer one has taken the place of is one job with it", async () => {
    const w = world();
    const old = w.upload(FINDINGS, aSidecar(), "[1]");
    w.upload();
    for (const eTag of [old, ETAG]) await w.ingest(s3Event({ eTag }));
    expect(new Set(w.queue.sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(1);
  });

  it("is dead-lettered by the object's own, where the sidecar cannot be read", async () => {
    const w = world();
    w.upload(FINDINGS, "{");
    await w.ingest(s3Event({ eTag: "0" }));
    expect(decodeJob(w.dlq.sent[0]?.body ?? "", "message")).toMatchObject({ etag: ETAG });
  });
});

describe("another run with the findings that were written over", () => {
  const later = aSidecar({ metadata: { uid: "run-3" } });
  const laterJob = aJob({ scan: aScan({ uid: "run-3" }) });

  it("is a job of its own", async () => {
    const w = world();
    w.upload(FINDINGS, later);
    w.storage.put(FINDINGS, "[1]", ownMetadata(aJob()));
    expect(await w.ingest(s3Event({ ...MINE, sequencer: "2" }))).toMatchObject({ enqueued: [jobKey(laterJob)] });
  });

  it("is not what the first run's notification, told once more, is of", async () => {
    const w = world();
    w.upload(FINDINGS, later);
    w.storage.put(FINDINGS, "[1]", ownMetadata(aJob()));
    w.storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt(aJob(), { sequencer: "2" })));
    for (const sequencer of ["2", "1"]) {
      expect(await w.ingest(s3Event({ ...MINE, sequencer }))).toMatchObject({ ignored: 1, enqueued: [] });
    }
  });

  it("our own write-back needs no sidecar to be known", async () => {
    const w = world();
    w.upload(FINDINGS, null);
    w.storage.put(FINDINGS, "[1]", ownMetadata(aJob()));
    expect(await w.ingest(s3Event(MINE))).toMatchObject({ ignored: 1, failed: [] });
  });
});

describe("flat keys", () => {
  it("are scans where FINDINGS_NAME is a pattern, each with a sidecar of its own", async () => {
    const w = world({ findingsName: "*-findings.json" });
    const refs = ["x", "y"].map((stem) => ({ ...FINDINGS, key: `${stem}-findings.json` }));
    for (const ref of refs) {
      w.storage.put(ref, "[]");
      const uid = ref.key;
      w.storage.put(
        { ...ref, key: ref.key.replace("findings", "scan") },
        JSON.stringify(aSidecar({ metadata: { uid } })),
      );
    }
    for (const { key } of refs) await w.ingest(s3Event({ ...MINE, key }));
    expect(w.jobs().map(({ scan }) => scan?.uid)).toEqual(["x-findings.json", "y-findings.json"]);
  });

  it("are warned of once a prefix and counted where it is none", async () => {
    const w = world();
    for (const key of ["x-findings.json", "y-findings.json", "a/x-findings.json", "a/findings.original.json"])
      await w.ingest(s3Event({ key }));
    expect(w.messages("warn")).toHaveLength(2);
    expect(w.counts.get("FindingsUnrecognised")).toBe(3);
    expect(w.storage.calls).toEqual([]);
  });

  it("are not the raw result of secureCodeBox's git-repo-scanner, which only ends so", async () => {
    const w = world();
    await w.ingest(s3Event({ key: "scan-abc/git-repo-scanner-findings.json" }));
    expect([w.messages("warn"), w.counts.get("FindingsUnrecognised")]).toEqual([[], undefined]);
  });
});

describe("what is ignored", () => {
  it.each([
    "scan-abc/scan.json",
    "scan-abc/nmap-results.xml",
    "scan-abc/findings.original.json",
    "scan-abc/defectdojo.json",
    "scan-abc/defectdojo.pending.json",
    "scan-abc/findings.json/",
    "scan-abc/findings.json.tmp",
    "scan-abc/FINDINGS.JSON",
  ])("%s, without a look at the bucket", async (key) => {
    const w = world();
    expect(await w.ingest(s3Event({ key }))).toEqual({ ...NOTHING, ignored: 1 });
    expect(w.storage.calls).toEqual([]);
  });

  it("another bucket than the one that is served, with a warning", async () => {
    const w = world({ bucket: "other" });
    expect(await w.ingest(s3Event(MINE))).toEqual({ ...NOTHING, ignored: 1 });
    expect(w.storage.calls).toEqual([]);
    expect(w.messages("warn")).toEqual(["a notification is ignored: only the bucket other is served"]);
  });

  it("our own write-back, by what MinIO's event says of it", async () => {
    const w = world();
    const metadata = Object.entries(ownMetadata(aJob())).map(([name, value]) => [`X-Amz-Meta-${name}`, value]);
    expect(await w.ingest(minioEvent({ userMetadata: Object.fromEntries(metadata) }))).toMatchObject({ ignored: 1 });
    expect(w.storage.calls).toEqual([]);
  });

  it("our own write-back, by its HEAD", async () => {
    const w = world();
    w.upload();
    const etag = w.storage.put(FINDINGS, "[1]", ownMetadata(aJob()));
    expect(await w.ingest(s3Event({ eTag: etag }))).toMatchObject({ ignored: 1, enqueued: [] });
    expect(await w.ingest(s3Event(MINE))).toMatchObject({ ignored: 1, enqueued: [] });
  });

  it("but not a copy of synced findings to another place, which is an upload there", async () => {
    const w = world();
    const ref = { ...FINDINGS, key: "scan-copy/findings.json" };
    w.upload(ref);
    const etag = w.storage.put(ref, "[1]", ownMetadata(aJob()));
    expect(await w.ingest(s3Event({ key: ref.key, eTag: etag }))).toMatchObject({
      enqueued: [jobKey(aJob({ ...ref, etag }))],
    });
  });

  it("findings that are gone", async () => {
    const w = world();
    expect(await w.ingest(s3Event())).toMatchObject({ ignored: 1, failed: [], deadLettered: 0 });
  });

  it("a scan whose hookSelector does not select us, logged and counted", async () => {
    const w = world({ hookLabels: { team: "a" } });
    w.upload(FINDINGS, aSidecar({ spec: { hookSelector: { matchLabels: { team: "b" } } } }));
    expect(await w.ingest(s3Event(MINE))).toMatchObject({ ignored: 1, enqueued: [] });
    expect(w.counts.get("JobsNotSelected")).toBe(1);
    expect(w.messages("info")).toEqual(["the scan's hookSelector does not select this relay"]);
  });

  it("but a scan is taken that selects us, or where we have no labels", async () => {
    const scan = aSidecar({ spec: { hookSelector: { matchLabels: { team: "b" } } } });
    for (const w of [world({ hookLabels: { team: "b" } }), world()]) {
      w.upload(FINDINGS, scan);
      expect(await w.ingest(s3Event(MINE))).toMatchObject({ ignored: 0, enqueued: [expect.any(String)] });
    }
  });

  it("a scan that is annotated do-not-import", async () => {
    const w = world();
    w.upload(FINDINGS, annotatedSidecar({ "do-not-import": "true" }));
    expect(await w.ingest(s3Event(MINE))).toMatchObject({ ignored: 1, enqueued: [] });
    expect(w.messages("info")).toEqual(["the scan is annotated do-not-import"]);
  });
});

describe("a sidecar that is missing", () => {
  it("may still come for a while: the notification fails, naming the object looked for", async () => {
    const w = world({}, 29);
    w.upload(FINDINGS, null);
    const { failed, deadLettered } = await w.ingest(sqsEvent(s3Event(MINE)));
    expect(failed).toEqual([{ error: expect.any(RelayError), messageId: "message-1" }]);
    expect(failed[0]?.error).toMatchObject({
      reason: "sidecar-missing",
      object: "s3://securecodebox/scan-abc/scan.json",
    });
    expect(deadLettered).toBe(0);
    w.upload();
    expect(await w.ingest(sqsEvent(s3Event(MINE)))).toMatchObject({ enqueued: [jobKey(aJob())], failed: [] });
  });

  it("is dead-lettered after that, as a job that a redrive mends", async () => {
    const w = world({}, 31);
    w.upload(FINDINGS, null);
    expect(await w.ingest(s3Event(MINE))).toEqual({ ...NOTHING, deadLettered: 1 });
    const [aside] = w.dlq.sent;
    expect(aside?.attributes).toMatchObject({
      reason: "sidecar-missing",
      errorClass: "transient",
      subject: "s3://securecodebox/scan-abc/findings.json",
    });
    expect(decodeJob(aside?.body ?? "", "message")).toEqual({
      version: 1,
      kind: "import",
      ...FINDINGS,
      etag: ETAG,
      sequencer: "18EB09D8F2CA398B",
    });
  });

  it("is dead-lettered at once by an event whose time cannot be told: it would hold back all behind it for ever", async () => {
    for (const eventTime of [undefined, "soon"]) {
      const w = world();
      w.upload(FINDINGS, null);
      const event = { Records: [{ ...s3Record(MINE), eventTime }] };
      expect(await w.ingest(event)).toMatchObject({ deadLettered: 1, failed: [] });
    }
  });
});

describe("what no retry can mend is dead-lettered and acknowledged", () => {
  it.each<[string, unknown, string, string]>([
    ["a sidecar that is no JSON", "{", "sidecar-invalid", "scan.json is not JSON"],
    ["a sidecar without a scan type", { metadata: { name: "x" }, spec: {} }, "sidecar-invalid", "spec.scanType: "],
    ["a sidecar that is too large", "x".repeat(2_000_000), "sidecar-too-large", "2000000 bytes"],
    ["an annotation that cannot be used", annotatedSidecar({ active: "maybe" }), "sidecar-invalid", "active"],
    [
      "parameters that no message holds",
      aSidecar({ spec: { parameters: ["x".repeat(300_000)] } }),
      "sidecar-too-large",
      "parameters",
    ],
  ])("%s", async (_, sidecar, reason, words) => {
    const w = world();
    w.upload(FINDINGS, sidecar);
    expect(await w.ingest(s3Event(MINE))).toEqual({ ...NOTHING, deadLettered: 1 });
    expect(w.dlq.sent[0]?.attributes).toMatchObject({ reason, message: expect.stringContaining(words) });
    expect(w.queue.sent).toEqual([]);
    expect(w.counts.get("JobsDeadLettered")).toBe(1);
  });

  it("a notification that nobody can read, as it came", async () => {
    const w = world();
    expect(await w.ingest({ hello: "world" })).toEqual({ ...NOTHING, deadLettered: 1 });
    expect(w.dlq.sent[0]).toMatchObject({ body: '{"hello":"world"}', attributes: { reason: "event-invalid" } });
  });

  it("a notification of any size or depth, cut to what a message holds", async () => {
    let deep: unknown = [];
    for (let i = 0; i < 100_000; i++) deep = [deep];
    for (const event of [
      "x".repeat(3_000_000),
      deep,
      { a: "\uffff\ufffe\u0000" },
      undefined,
      sqsEvent("😀".repeat(200_000)),
    ]) {
      const w = world();
      expect(await w.ingest(event)).toMatchObject({ deadLettered: 1, failed: [] });
      const body = w.dlq.sent[0]?.body ?? "";
      expect(body).toMatch(/^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u);
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(240 * 1024);
    }
  });

  it("an upload whose notification does not say the ETag, as a job by the ETag that it has", async () => {
    const w = world();
    w.upload(FINDINGS, "{");
    expect(await w.ingest(s3Event({ eTag: undefined }))).toMatchObject({ deadLettered: 1 });
    const [aside] = w.dlq.sent;
    expect(decodeJob(aside?.body ?? "", "message")).toMatchObject({ ...FINDINGS, etag: ETAG, kind: "import" });
    expect(aside?.attributes?.subject).toBe("s3://securecodebox/scan-abc/findings.json");
    expect(w.storage.calls.filter((call) => call.startsWith("head"))).toHaveLength(1);
  });

  it("an upload whose ETag nobody can tell, as its notification", async () => {
    const w = world();
    w.storage.before = () => {
      throw new RelayError("storage-forbidden", "no", { object: "s3://x" });
    };
    const event = s3Event({ eTag: undefined });
    await w.ingest(event);
    expect(JSON.parse(w.dlq.sent[0]?.body ?? "")).toEqual(event.Records[0]);
  });

  it("unless it cannot be dead-lettered either: it has to come again then", async () => {
    const w = world();
    w.dlq.before = () => {
      throw new RelayError("queue-unavailable", "down", { object: "dlq" });
    };
    expect(await w.ingest(sqsEvent("x"))).toMatchObject({
      deadLettered: 0,
      failed: [{ messageId: "message-1", error: { reason: "queue-unavailable" } }],
    });
  });
});

describe("what a retry may mend is given back", () => {
  it.each<[string, RelayError | Error, string]>([
    [
      "a store that is unavailable",
      new RelayError("storage-unavailable", "down", { object: "s3://x" }),
      "storage-unavailable",
    ],
    ["what nobody expected", new TypeError("x is not a function"), "internal"],
  ])("%s", async (_, error, reason) => {
    const w = world();
    w.upload();
    w.storage.before = () => {
      throw error;
    };
    const { failed } = await w.ingest(s3Event(MINE));
    expect(failed).toEqual([{ error: expect.objectContaining({ reason }), messageId: undefined }]);
    expect(failed[0]?.error.object).toBeDefined();
  });

  it("a queue that is unavailable", async () => {
    const w = world();
    w.upload();
    w.queue.before = () => {
      throw new RelayError("queue-unavailable", "down", { object: "queue" });
    };
    expect(await w.ingest(s3Event(MINE))).toMatchObject({ failed: [{ error: { reason: "queue-unavailable" } }] });
  });

  it("but a store that forbids is dead-lettered", async () => {
    const w = world();
    w.storage.before = () => {
      throw new RelayError("storage-forbidden", "no", { object: "s3://x" });
    };
    expect(await w.ingest(s3Event(MINE))).toMatchObject({ deadLettered: 1, failed: [] });
  });
});

describe("several in one event", () => {
  it("one bad one does not stop the others", async () => {
    const w = world();
    const [a, b] = ["a", "b"].map((name) => ({ ...FINDINGS, key: `${name}/findings.json` }));
    w.upload(a);
    w.upload(b);
    w.upload({ ...FINDINGS, key: "bad/findings.json" }, "{");
    w.upload({ ...FINDINGS, key: "later/findings.json" }, null);
    const keys = ["a", "bad", "later", "b", "gone"].map((name) => s3Record({ ...MINE, key: `${name}/findings.json` }));
    const result = await w.ingest({ Records: [...keys, null, { s3: {} }] });
    expect(result).toMatchObject({ ignored: 1, deadLettered: 3, failed: [{ error: { reason: "sidecar-missing" } }] });
    expect(w.jobs().map(({ key }) => key)).toEqual(["a/findings.json", "b/findings.json"]);
    expect(w.counts.get("NotificationsReceived")).toBe(7);
  });

  it("of one key the newest is taken, whatever the order", async () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const w = world();
      const etags = ["[1]", "[2]", "[3]"].map((content) => w.upload(FINDINGS, aSidecar(), content));
      const records = order.map((i) => s3Record({ eTag: etags[i], sequencer: `0${i}` }));
      expect(await w.ingest({ Records: records })).toMatchObject({ ignored: 2, failed: [], deadLettered: 0 });
      expect(w.jobs().map(({ etag }) => etag)).toEqual([etags[2]]);
    }
  });

  it("of one key without sequencers the one that is there is taken, whatever the order", async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const w = world();
      const etags = ["[1]", "[2]"].map((content) => w.upload(FINDINGS, aSidecar(), content));
      const records = order.map((i) => s3Record({ eTag: etags[i], sequencer: undefined }));
      await w.ingest({ Records: records });
      expect(new Set(w.jobs().map(({ etag }) => etag))).toEqual(new Set([etags[1]]));
      expect(new Set(w.queue.sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(1);
    }
  });

  it("of one key, each in its message, none fails for being the older", async () => {
    const w = world();
    const etags = ["[1]", "[2]"].map((content) => w.upload(FINDINGS, aSidecar(), content));
    const bodies = etags.map((eTag, i) => s3Event({ eTag, sequencer: `0${i}` }));
    expect(await w.ingest(sqsEvent(...bodies))).toMatchObject({
      ignored: 1,
      failed: [],
      enqueued: [expect.any(String)],
    });
  });

  it("the same twice is one message to a FIFO queue", async () => {
    const w = world();
    w.upload();
    await w.ingest({ Records: [s3Record(MINE), s3Record(MINE)] });
    expect(new Set(w.queue.sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(1);
  });
});

describe("more in one event than can be worked on", () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => s3Record({ ...MINE, key: `scan-${i}/findings.json` }));
  const keysOf = (body: string) =>
    parseNotification(JSON.parse(body)).map((one) => ("created" in one ? one.created.key : undefined));

  it("are dead-lettered, so that what was enqueued and what was dead-lettered are all", async () => {
    const w = world();
    for (const { s3 } of many(1_200)) w.upload({ ...FINDINGS, key: s3.object.key });
    const event = { Records: [s3Record({ key: "scan-0/scan.json" }), ...many(1_200)] };
    const result = await w.ingest(event);
    expect(result).toMatchObject({ ignored: 1, deadLettered: 200, failed: [] });
    expect(result.enqueued).toHaveLength(1_000);
    expect(w.dlq.sent.length).toBeLessThan(5);
    expect([...w.jobs().map(({ key }) => key), ...w.dlq.sent.flatMap(({ body }) => keysOf(body))]).toEqual(
      many(1_200).map(({ s3 }) => s3.object.key),
    );
    const told = { reason: "event-invalid", message: expect.stringContaining("1200 pieces, more than 1000") };
    for (const { attributes } of w.dlq.sent) expect(attributes).toMatchObject(told);
    expect([w.counts.get("NotificationsReceived"), w.counts.get("JobsDeadLettered")]).toEqual([1_201, 200]);
  });

  it("come again where they cannot be dead-lettered", async () => {
    const w = world();
    w.dlq.before = () => {
      throw new RelayError("queue-unavailable", "down", { object: "dlq" });
    };
    const { failed } = await w.ingest(sqsEvent({ Records: many(1_001) }, s3Event(MINE)));
    expect(failed).toMatchObject([{ messageId: "message-1", error: { reason: "queue-unavailable" } }]);
  });
});

describe("a notification that its sender repeats", () => {
  it("is one dead letter within the queue's five minutes", async () => {
    const w = world();
    for (const event of [{ hello: "world" }, { hello: "world" }, { hello: "you" }]) await w.ingest(event);
    const [first, again, other] = w.dlq.sent.map(({ deduplicationId }) => deduplicationId);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it("but an upload is one each time: what failed again after a redrive would be lost", async () => {
    const w = world();
    w.upload(FINDINGS, "{");
    for (let times = 0; times < 2; times++) await w.ingest(s3Event(MINE));
    const [first, again] = w.dlq.sent.map(({ deduplicationId }) => deduplicationId);
    expect(again).not.toBe(first);
  });
});

describe("makeJob for a job that was dead-lettered without its Scan", () => {
  const created = { ...FINDINGS, etag: ETAG, versionId: undefined, sequencer: "1", metadata: {}, at: undefined };

  it("reads the sidecar that is there now", async () => {
    const w = world();
    w.upload();
    expect(await makeJob(created, w.ports, SETTINGS, { begun: true })).toMatchObject({
      etag: ETAG,
      scan: { name: "nmap-example" },
    });
  });

  it("goes on with what it has written back itself", async () => {
    const w = world();
    w.upload();
    w.storage.put(FINDINGS, "[1]", ownMetadata(aJob()));
    expect(await makeJob(created, w.ports, SETTINGS, { begun: true })).toMatchObject({ etag: ETAG });
    expect(await makeJob(created, w.ports, SETTINGS)).toBe("our own write-back");
  });

  it("ends for another's write-back or upload", async () => {
    const w = world();
    w.upload();
    w.storage.put(FINDINGS, "[1]", ownMetadata(aJob({ etag: "other" })));
    expect(await makeJob(created, w.ports, SETTINGS, { begun: true })).toBe("our own write-back");
    w.storage.put(FINDINGS, "[2]");
    expect(await makeJob(created, w.ports, SETTINGS, { begun: true })).toBe(
      "a newer upload has a notification of its own",
    );
  });

  it("is the message that a queue takes", async () => {
    const w = world();
    w.upload();
    const job = await makeJob(created, w.ports, SETTINGS, { begun: true });
    if (typeof job === "string") throw new Error(job);
    expect(decodeJob(encodeJob(job), "message")).toEqual(job);
  });
});
