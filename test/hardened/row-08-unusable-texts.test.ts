import { describe, expect, it } from "vitest";
import { parseNotification } from "../../lib/ingest/notifications.ts";
import { decodeJob } from "../../lib/model/job.ts";
import { ANNOTATION_PREFIX, parseSidecar } from "../../lib/model/scan.ts";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";
import { s3Event } from "../helpers/events.ts";

const SCAN = { metadata: { name: "s" }, spec: { scanType: "nmap" } };
const BAD = { "half a surrogate pair": "a\ud800b", NUL: "a\0b" };

/** One row per text of the Scan: a Scan that contains it. */
const PLACES: Record<string, (text: string) => unknown> = {
  "metadata.name": (text) => ({ ...SCAN, metadata: { name: text } }),
  "metadata.namespace": (text) => ({ ...SCAN, metadata: { name: "s", namespace: text } }),
  "metadata.uid": (text) => ({ ...SCAN, metadata: { name: "s", uid: text } }),
  "metadata.annotations": (text) => annotated("product-name", text),
  "metadata.annotations: name": (text) => annotated(text, "x"),
  "metadata.ownerReferences": (name) => ({
    ...SCAN,
    metadata: { name: "s", ownerReferences: [{ kind: "ScheduledScan", name }] },
  }),
  "spec.scanType": (text) => ({ ...SCAN, spec: { scanType: text } }),
  "spec.parameters": (text) => ({ ...SCAN, spec: { scanType: "nmap", parameters: ["ok", text] } }),
  "spec.hookSelector": (text) => ({ ...SCAN, spec: { scanType: "nmap", hookSelector: { matchLabels: { a: text } } } }),
  "status.rawResultFile": (text) => ({ ...SCAN, status: { rawResultFile: text } }),
  "status.rawResultType": (text) => ({ ...SCAN, status: { rawResultType: text } }),
};
const annotated = (name: string, value: string) => ({
  ...SCAN,
  metadata: { name: "s", annotations: { [ANNOTATION_PREFIX + name]: value, "else/where": "\ud800" } },
});

describe("hardened 8: texts that no URL, header or database accepts", () => {
  for (const [what, text] of Object.entries(BAD))
    it.each(Object.keys(PLACES))(`${what} in %s is sidecar-invalid, by name`, (place) => {
      const field = place.split(":")[0] ?? "";
      expect(() => parseSidecar(PLACES[place]?.(text), "s3://b/scan.json")).toThrow(
        expect.objectContaining({ reason: "sidecar-invalid", message: expect.stringContaining(field) }),
      );
    });

  it("ignores the annotations of others", () => {
    expect(parseSidecar(annotated("product-name", "fine"), "x").annotations).toEqual({ "product-name": "fine" });
  });

  it.each<[string, (event: ReturnType<typeof s3Event>) => void]>([
    ["a bucket", ({ Records: [record] }) => Object.assign(record?.s3.bucket ?? {}, { name: "b\ud800" })],
    ["a key", ({ Records: [record] }) => Object.assign(record?.s3.object ?? {}, { key: "a\ud800/findings.json" })],
    [
      "an encoded key",
      ({ Records: [record] }) => Object.assign(record?.s3.object ?? {}, { key: "a%00/findings.json" }),
    ],
    ["an ETag", ({ Records: [record] }) => Object.assign(record?.s3.object ?? {}, { eTag: "a\r\nx: y" })],
  ])("%s of a notification is event-invalid", (_, spoil) => {
    const event = structuredClone(s3Event());
    spoil(event);
    expect(parseNotification(event)).toEqual([
      expect.objectContaining({ error: expect.objectContaining({ reason: "event-invalid" }) }),
    ]);
  });

  it.each([
    ["bucket", "b\0"],
    ["key", "k\udc00"],
    ["etag", "e\n"],
  ])("a job's %s is job-invalid", (field, value) => {
    const job = { version: 1, kind: "import", bucket: "b", key: "k", etag: "e", [field]: value };
    expect(() => decodeJob(JSON.stringify(job), "message")).toThrow(
      expect.objectContaining({ reason: "job-invalid", message: expect.stringContaining(field) }),
    );
  });

  it("dead-letters such a scan at once, but not as a fault of dojo-relay", async () => {
    const runtime: Runtime = await startRuntime();
    try {
      await runtime.put("scan-x/scan.json", JSON.stringify(annotated("product-name", "shop \ud83d")));
      await runtime.put("scan-x/findings.json", "[]");
      const ended = await runtime.ended("scan-x/findings.json");
      expect(ended).toMatchObject({ state: "failed", error: { reason: "sidecar-invalid" } });
      expect(await runtime.takeDeadLetters()).toHaveLength(1);
      // At startup the service requests the token's user; the scan causes no request.
      const asked = runtime.standin.state.requests.filter(({ url }) => !url.includes("/user_profile/"));
      expect(asked).toEqual([]);
    } finally {
      await runtime.stop();
    }
  });
});
