import { setTimeout as sleep } from "node:timers/promises";
import type { SQSEvent, SQSRecord } from "aws-lambda";
import { describe, expect, it } from "vitest";
import { importerHandler } from "../../../lib/aws/importer-handler.ts";
import { ingestHandler } from "../../../lib/aws/ingest-handler.ts";
import { RelayError } from "../../../lib/errors.ts";
import { encodeJob, jobKey } from "../../../lib/model/job.ts";
import { sibling } from "../../../lib/model/object-keys.ts";
import { ownMetadata } from "../../../lib/model/receipt.ts";
import type { DefectDojo } from "../../../lib/ports/defectdojo.ts";
import { s3Event, s3Record, snsEvent, sqsEvent } from "../../helpers/events.ts";
import { aGenericScan, aJob, aReceipt, aSidecar, ETAG, FINDINGS } from "../../helpers/factories.ts";
import { importWorld } from "../../helpers/import-world.ts";
import { recordSettings } from "../../helpers/settings.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const SETTINGS = recordSettings();
const CONTEXT = { getRemainingTimeInMillis: () => 900_000, awsRequestId: "request" };

function world(methods: Partial<DefectDojo> = {}) {
  const w = importWorld({ methods, now: "2026-11-24T17:01:44Z" });
  const importer = importerHandler(w, SETTINGS);
  return {
    ...w,
    importer: (event: SQSEvent) => importer(event, CONTEXT),
    ingest: ingestHandler(w, SETTINGS.ingest),
    /** A scan's folder of which a job can be made. */
    upload: (folder: string) => {
      const ref = { ...FINDINGS, key: `${folder}/findings.json` };
      w.storage.put(sibling(ref, "scan.json"), JSON.stringify(aSidecar()));
      w.storage.put(ref, "[]");
    },
    /** A scan that is finished: its job is done at once. */
    finished: (folder: string) => {
      const job = jobOf(folder);
      w.storage.put(job, "[1]", ownMetadata(job));
      w.storage.put(sibling(job, "defectdojo.json"), JSON.stringify(aReceipt(job)));
    },
  };
}
const jobOf = (folder: string) => aJob({ key: `${folder}/findings.json`, scan: aGenericScan() });

/** A message of the job queue. */
function record(id: string, group: string, folder: string, changes: Partial<SQSRecord> = {}): SQSRecord {
  return {
    messageId: id,
    receiptHandle: `handle-${id}`,
    body: encodeJob(jobOf(folder)),
    attributes: {
      ApproximateReceiveCount: "1",
      MessageGroupId: group,
      SentTimestamp: "0",
      SenderId: "x",
      ApproximateFirstReceiveTimestamp: "0",
    },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:eu-central-1:1:jobs.fifo",
    awsRegion: "eu-central-1",
    ...changes,
  };
}
const failures = (...ids: string[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });
const unavailable: Partial<DefectDojo> = {
  testsByBuildId: async () => {
    throw new RelayError("dojo-unavailable", "HTTP 502", { object: "GET /api/v2/tests/" });
  },
};

describe("the importer function", () => {
  it("settles the whole batch when every job finishes", async () => {
    const w = world();
    for (const folder of ["a", "b"]) w.finished(folder);
    expect(await w.importer({ Records: [record("1", "x", "a"), record("2", "y", "b")] })).toEqual(failures());
    const first = ["handle-1", "handle-2"].map((receiptHandle) => ({ receiptHandle, seconds: 120 }));
    expect(w.queue.visibility).toEqual(first);
  });

  it("holds back those behind a failed job of their group, and no others", async () => {
    const w = world(unavailable);
    for (const folder of ["b", "c", "d"]) w.finished(folder);
    w.upload("a");
    const records = [record("1", "x", "a"), record("2", "x", "b"), record("3", "y", "c"), record("4", "x", "d")];
    expect(await w.importer({ Records: records })).toEqual(failures("1", "2", "4"));
  });

  it("releases those behind it at once: one hidden message would block the group", async () => {
    const w = world(unavailable);
    w.upload("a");
    await w.importer({ Records: [record("1", "x", "a"), record("2", "x", "b"), record("3", "x", "c")] });
    const [first, ...behind] = w.queue.visibility.filter(({ receiptHandle }, index, all) => {
      return all.findLastIndex((one) => one.receiptHandle === receiptHandle) === index;
    });
    expect(first).toMatchObject({ receiptHandle: "handle-1", seconds: expect.any(Number) });
    expect(first?.seconds).toBeGreaterThan(0);
    expect(behind).toEqual([
      { receiptHandle: "handle-2", seconds: 0 },
      { receiptHandle: "handle-3", seconds: 0 },
    ]);
  });

  it("continues when one cannot be released", async () => {
    const w = world(unavailable);
    w.upload("a");
    let calls = 0;
    w.queue.before = () => {
      if (++calls > 3) throw new RelayError("queue-unavailable", "down", { object: "queue" });
    };
    expect(await w.importer({ Records: [record("1", "x", "a"), record("2", "x", "b")] })).toEqual(failures("1", "2"));
    expect(w.messages("warn")).toContain("a message could not be released");
  });

  it("holds nothing back behind a job that was dead-lettered", async () => {
    const w = world();
    w.finished("b");
    const bad = record("1", "x", "a", { body: "{" });
    expect(await w.importer({ Records: [bad, record("2", "x", "b")] })).toEqual(failures());
    expect(w.dlq.sent).toHaveLength(1);
  });

  it("never fails the batch as a whole", async () => {
    const w = world(unavailable);
    for (const folder of ["a", "b"]) w.upload(folder);
    expect(await w.importer({ Records: [record("1", "x", "a"), record("2", "y", "b")] })).toEqual(failures("1", "2"));
  });

  it("retries a failed group in the next batch", async () => {
    const w = world(unavailable);
    w.upload("a");
    expect(await w.importer({ Records: [record("1", "x", "a")] })).toEqual(failures("1"));
    w.finished("a");
    w.finished("b");
    expect(await w.importer({ Records: [record("1", "x", "a"), record("2", "x", "b")] })).toEqual(failures());
  });

  it("keeps concurrent batches apart", async () => {
    const w = world({
      testsByBuildId: async () => {
        await sleep(20);
        throw new RelayError("dojo-unavailable", "HTTP 502", { object: "GET /api/v2/tests/" });
      },
    });
    for (const folder of ["a", "c"]) w.upload(folder);
    for (const folder of ["b", "d"]) w.finished(folder);
    const batches = [
      [record("1", "x", "a"), record("2", "y", "b")],
      [record("3", "z", "c"), record("4", "z", "d")],
      [record("5", "x", "d")],
    ];
    expect(await Promise.all(batches.map((Records) => w.importer({ Records })))).toEqual([
      failures("1"),
      failures("3", "4"),
      failures(),
    ]);
  });

  it("returns a malformed record for redelivery", async () => {
    const w = world();
    const broken = record("1", "x", "a", { body: undefined as never });
    expect(await w.importer({ Records: [broken] })).toEqual(failures("1"));
  });

  it("reads the delivery count from the message", async () => {
    const w = world(unavailable);
    w.upload("a");
    const fifth = record("1", "x", "a");
    const again = { ...fifth, attributes: { ...fifth.attributes, ApproximateReceiveCount: "5" } };
    expect(await w.importer({ Records: [again] })).toEqual(failures());
    expect(w.dlq.sent[0]).toMatchObject({ group: "x", attributes: { attempts: "5", reason: "dojo-unavailable" } });
  });
});

describe("the ingest function", () => {
  const key = jobKey(aJob());

  it("reports the outcome of an event", async () => {
    const w = world();
    w.upload("scan-abc");
    expect(await w.ingest(s3Event({ eTag: ETAG }))).toEqual({
      enqueued: [key],
      ignored: 0,
      deadLettered: 0,
      failed: [],
      batchItemFailures: [],
    });
  });

  it("fails the SQS messages that may still succeed, and no others", async () => {
    const w = world();
    w.upload("scan-abc");
    w.storage.put({ ...FINDINGS, key: "late/findings.json" }, "[]");
    const late = s3Event({ eTag: ETAG, key: "late/findings.json" });
    const answer = await w.ingest(sqsEvent(s3Event({ eTag: ETAG }), late, "no JSON"));
    expect(answer).toMatchObject({ enqueued: [key], deadLettered: 1, ...failures("message-2") });
  });

  it("reports a message once, however many of its records fail", async () => {
    const w = world();
    const keys = ["a/findings.json", "b/findings.json"];
    for (const one of keys) w.storage.put({ ...FINDINGS, key: one }, "[]");
    const answer = await w.ingest(sqsEvent({ Records: keys.map((one) => s3Record({ eTag: ETAG, key: one })) }));
    expect(answer).toMatchObject(failures("message-1"));
    expect(answer.batchItemFailures).toHaveLength(1);
  });

  it.each([
    ["S3", s3Event({ eTag: ETAG })],
    ["SNS", snsEvent(s3Event({ eTag: ETAG }))],
  ])("fails whole for an event of %s that may still succeed, so that it is sent again", async (_, event) => {
    const w = world();
    w.storage.put(FINDINGS, "[]");
    expect(await relayErrorBy(() => w.ingest(event))).toMatchObject({
      reason: "sidecar-missing",
      object: "s3://securecodebox/scan-abc/scan.json",
    });
  });

  it("acknowledges what no retry can fix", async () => {
    const w = world();
    expect(await w.ingest({ nothing: "of ours" })).toMatchObject({ deadLettered: 1, ...failures() });
  });
});
