import { describe, expect, it } from "vitest";
import {
  compareSequencers,
  decodeJob,
  deduplicationId,
  encodeJob,
  jobKey,
  keyOf,
  MAX_JOB_BYTES,
  messageGroup,
} from "../../../lib/model/job.ts";
import type { Scan } from "../../../lib/model/scan.ts";
import { aJob, aScan, ETAG, FINDINGS } from "../../helpers/factories.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

describe("the job's key", () => {
  it("is 64 hexadecimal digits, the same for the same upload", () => {
    expect(jobKey(aJob())).toMatch(/^[\da-f]{64}$/);
    expect(jobKey(aJob({ sequencer: "1", versionId: "v", scan: aScan({ name: "other" }) }))).toBe(jobKey(aJob()));
  });

  it("names the run: the uid, else the creation or finish time", () => {
    const none = { uid: undefined, createdAt: undefined, finishedAt: undefined };
    const of = (scan: object) => jobKey(aJob({ scan: { ...aScan(), ...none, ...scan } as Scan }));
    const at = "2026-11-20T10:00:00Z";
    const keys = [
      of({}),
      of({ uid: "a" }),
      of({ uid: "b" }),
      of({ createdAt: at }),
      of({ finishedAt: "2026-11-21T10:00:00Z" }),
    ];
    expect(new Set(keys).size).toBe(5);
    expect(of({ uid: "a", createdAt: at })).toBe(of({ uid: "a" }));
    expect(of({ uid: "", createdAt: at })).toBe(of({ createdAt: at, finishedAt: at }));
  });

  it("leaves the run out where an earlier version began the job, or nothing is known of the run", () => {
    expect(jobKey(aJob({ keyedBy: "upload" }))).toBe(keyOf(FINDINGS, ETAG, undefined));
    expect(jobKey({ ...FINDINGS, etag: ETAG })).toBe(keyOf(FINDINGS, ETAG, undefined));
  });

  it("stays stable: earlier versions stored it", () => {
    expect(jobKey({ bucket: "securecodebox", key: "scan-abc/findings.json", etag: ETAG })).toBe(
      "7b87107377bc08ccbf3c9d63cfd26fcca38dc37522b4bbcb4897a58ef1dc096f",
    );
  });

  it.each([
    ["bucket", aJob({ bucket: "other" })],
    ["key", aJob({ key: "scan-abd/findings.json" })],
    ["etag", aJob({ etag: "0" })],
    ["border between bucket and key", aJob({ bucket: "securecodebox/scan-abc", key: "findings.json" })],
  ])("is another for another %s", (_, job) => {
    expect(jobKey(job)).not.toBe(jobKey(aJob()));
  });
});

describe("the queue's deduplication id", () => {
  it("is the same for every notification of one upload", () => {
    const id = deduplicationId(aJob({ sequencer: "1" }));
    expect(id).toMatch(/^[\da-f]{64}$/);
    expect(deduplicationId(aJob({ sequencer: "1", scan: aScan({ name: "other" }) }))).toBe(id);
  });

  it.each([
    ["the same content uploaded again", aJob({ sequencer: "2" })],
    ["other content", aJob({ sequencer: "1", etag: "0" })],
    ["a resync", aJob({ sequencer: "1", kind: "resync" })],
    ["a source without sequencers", aJob({ versionId: "1.0" })],
  ])("is another for %s", (_, job) => {
    expect(deduplicationId(job)).not.toBe(deduplicationId(aJob({ sequencer: "1" })));
  });
});

describe("the message group", () => {
  const group = (annotations: Record<string, string>, name = "a") =>
    messageGroup(aJob({ scan: aScan({ name, annotations }) }));

  it("is the product's for every scan", () => {
    expect(group({ "product-name": "Shop" }, "a")).toBe(group({ "product-name": "Shop", "test-title": "x" }, "b"));
    expect(group({ "product-name": "Shop" })).not.toBe(group({ "product-name": "Shop 2" }));
  });

  it("ignores case and surrounding blanks in the product's name", () => {
    expect(group({ "product-name": " SHOP " })).toBe(group({ "product-name": "shop" }));
  });

  it("is the folder's for a job without a Scan", () => {
    const { scan: _, ...bare } = aJob();
    expect(messageGroup(bare)).toBe(messageGroup({ ...bare, etag: "other" }));
    expect(messageGroup(bare)).not.toBe(messageGroup({ ...bare, key: "scan-x/findings.json" }));
    expect(messageGroup(bare)).toMatch(/^[\da-f]{64}$/);
  });
});

describe("a job as a message", () => {
  it("survives the round trip unchanged", () => {
    const job = aJob({
      sequencer: "18EB09D8F2CA398B",
      versionId: "v1",
      scan: aScan({ hookSelector: { matchExpressions: [{ key: "a", operator: "Exists" }] }, scheduledBy: "nightly" }),
    });
    expect(decodeJob(encodeJob(job), "message m-1")).toEqual(job);
    const { scan: _, ...bare } = aJob();
    expect(decodeJob(encodeJob(bare), "message m-1")).toEqual(bare);
  });

  it("is refused when it exceeds 256 KiB with its attributes", async () => {
    const error = await relayErrorBy(() => encodeJob(aJob({ scan: aScan({ parameters: ["é".repeat(150_000)] }) })));
    expect(error).toMatchObject({ reason: "sidecar-too-large", object: "s3://securecodebox/scan-abc/findings.json" });
    expect(MAX_JOB_BYTES).toBeLessThanOrEqual(248 * 1024);
  });

  it("holds only characters that SQS accepts", () => {
    const job = aJob({ scan: aScan({ parameters: ["\uffff\ufffe\u0001"] }) });
    const body = encodeJob(job);
    expect(body).toMatch(/^[\t\n\r\u0020-\ud7ff\ue000-\ufffd]*$/);
    expect(decodeJob(body, "message").scan?.parameters).toEqual(["\uffff\ufffe\u0001"]);
  });

  it.each([
    ["not JSON", "{", "not JSON"],
    ["null", "null", "(whole)"],
    ["another version", JSON.stringify({ ...aJob(), version: 2 }), "version"],
    ["another kind", JSON.stringify({ ...aJob(), kind: "export" }), "kind"],
    ["no bucket", JSON.stringify({ ...aJob(), bucket: "" }), "bucket"],
    ["no key", JSON.stringify({ ...aJob(), key: undefined }), "key"],
    ["no ETag", JSON.stringify({ ...aJob(), etag: "" }), "etag"],
    [
      "a raw result outside the folder",
      JSON.stringify(aJob({ scan: aScan({ rawResultFile: "../x" }) })),
      "scan.rawResultFile",
    ],
    ["a Scan without a scan type", JSON.stringify({ ...aJob(), scan: { ...aScan(), scanType: "" } }), "scan.scanType"],
  ])("is refused with %s", async (_, body, named) => {
    const error = await relayErrorBy(() => decodeJob(body, "message m-1"));
    expect(error).toMatchObject({ reason: "job-invalid", object: "message m-1" });
    expect(error.message).toContain(named);
  });

  it("names every bad field at once", async () => {
    const error = await relayErrorBy(() => decodeJob('{"version":1,"kind":"import"}', "message m-1"));
    for (const field of ["bucket", "key", "etag"]) expect(error.message).toContain(`${field}: `);
  });
});

describe("compareSequencers, as S3 documents it", () => {
  it.each([
    ["0055AED6DCD90281E5", "0055AED6DCD90281E6", -1],
    ["0055AED6DCD90281E6", "0055AED6DCD90281E5", 1],
    ["0055AED6DCD90281E5", "0055AED6DCD90281E5", 0],
    ["0055aed6dcd90281e5", "0055AED6DCD90281E5", 0],
    ["0A", "0A00", 0],
    ["0A", "0A01", -1],
    ["0B", "0A01", 1],
    ["18EB09D901FAC223", "18EB09D9022FDCBE", -1],
    ["", "0", 0],
  ])("%s to %s is %d", (a, b, expected) => {
    expect(compareSequencers(a, b)).toBe(expected);
  });

  it("cannot compare when one is missing", () => {
    expect(compareSequencers(undefined, "1")).toBe(0);
    expect(compareSequencers("1", undefined)).toBe(0);
    expect(compareSequencers(undefined, undefined)).toBe(0);
  });
});
