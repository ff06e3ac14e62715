import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endpointFrom, locationFrom } from "../../infra/local/defectdojo/importing/place.ts";
import { dojoClient } from "../../lib/defectdojo/client.ts";
import { httpTransport } from "../../lib/defectdojo/http.ts";
import { RelayError } from "../../lib/errors.ts";
import { checkpointStore } from "../../lib/importer/checkpoint.ts";
import { ingest } from "../../lib/ingest/ingest.ts";
import { parseNotification } from "../../lib/ingest/notifications.ts";
import { readSidecar } from "../../lib/ingest/sidecar.ts";
import { DOJO_SEVERITIES, readAnnotations } from "../../lib/model/annotations.ts";
import { compareSequencers, decodeJob, encodeJob, jobKey, type ScanJob } from "../../lib/model/job.ts";
import { checkpointOf, receiptOf, sibling } from "../../lib/model/object-keys.ts";
import { parseSidecar, type Scan } from "../../lib/model/scan.ts";
import { dojoScanType, reportFileName } from "../../lib/model/scan-types.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import { readReceipt } from "../../lib/ports/receipt-store.ts";
import { findingSchema, readFindings, type ScanFinding } from "../../lib/report/findings-file.ts";
import { jacksonJson, LONGEST_TITLE } from "../../lib/report/jackson-text.ts";
import { isLocation, toGenericFinding } from "../../lib/report/to-generic-finding.ts";
import { toSyncedFinding } from "../../lib/sync/to-synced-finding.ts";
import { cleanText, cutText } from "../../lib/util/text.ts";
import { isUsable } from "../../lib/util/usable-text.ts";
import { anyJson, anyText, mutated, readableFinding, validFinding } from "../helpers/arbitraries.ts";
import { collect } from "../helpers/collect.ts";
import { cpuTimeMs } from "../helpers/cpu-time.ts";
import { eventBridge, minioEvent, s3Event, snsEvent, sqsEvent } from "../helpers/events.ts";
import { aDojoFinding, annotatedSidecar, aReceipt, aScan, aSidecar, FINDINGS } from "../helpers/factories.ts";
import { fakeClock } from "../helpers/fake-clock.ts";
import { fakeTransport } from "../helpers/fake-transport.ts";
import { type TestServer, testServer } from "../helpers/http-server.ts";
import { memoryQueue } from "../helpers/memory-queue.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { merging } from "../helpers/merging.ts";
import { fc } from "../helpers/property.ts";
import { rawFinding } from "../helpers/raw-dojo.ts";
import { recorder } from "../helpers/recorder.ts";
import { findingsValidator, sharedJson } from "../helpers/shared.ts";

const OBJECT = "s3://b/k";
const NOW = new Date("2026-11-24T12:00:00Z");
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** What is thrown is one of ours and says what it is about. */
async function onlyRelayErrors(run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    expect(error.object, error.message).toBeTruthy();
  }
}

describe("notifications", () => {
  const events = [
    s3Event(),
    minioEvent({ userMetadata: { "X-Amz-Meta-A": "b" } }),
    eventBridge(),
    snsEvent(s3Event()),
    sqsEvent(s3Event(), eventBridge()),
    sqsEvent({ Type: "Notification", Message: JSON.stringify(s3Event()) }),
    ...sharedJson("minio-events").map(([, event]) => event),
  ];
  const event = fc.oneof(
    anyJson(),
    mutated(...events),
    mutated(...events).map((one) => sqsEvent(one)),
    anyText().map((text) => sqsEvent(text)),
  );

  it("are read without throwing, whatever they are", () => {
    fc.assert(
      fc.property(event, (any) => {
        for (const notification of parseNotification(any)) {
          if ("error" in notification)
            expect(notification.error).toMatchObject({ reason: "event-invalid", object: "notification" });
          else if ("created" in notification) {
            expect(notification.created.bucket).not.toBe("");
            expect(notification.created.key).not.toBe("");
          } else expect(notification.ignored).not.toBe("");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("end as enqueued, ignored, dead-lettered or failed, each of them, whatever they are", async () => {
    await fc.assert(
      fc.asyncProperty(event, async (any) => {
        const { log, metrics } = recorder();
        const [queue, dlq] = [memoryQueue(), memoryQueue()];
        const storage = memoryStorage();
        const etag = storage.put(FINDINGS, "[]");
        storage.put(sibling(FINDINGS, "scan.json"), JSON.stringify(aSidecar()));
        const ports = { storage, queue, dlq, clock: fakeClock(), log, metrics };
        const result = await ingest(any, ports, {
          sidecarName: "scan.json",
          findingsName: "findings.json",
          maxSidecarBytes: 1_000_000,
          hookLabels: undefined,
          sidecarGraceMs: 0,
        });
        const { enqueued, ignored, deadLettered, failed } = result;
        expect(enqueued.length + ignored + deadLettered + failed.length).toBe(parseNotification(any).length);
        expect(queue.sent).toHaveLength(enqueued.length);
        expect(dlq.sent).toHaveLength(deadLettered);
        for (const { error } of failed) expect(error.object).toBeTruthy();
        for (const { body } of [...queue.sent, ...dlq.sent]) expect(body).not.toMatch(/[\ufffe\uffff]|^$/);
        for (const { body } of queue.sent) expect(decodeJob(body, "message")).toMatchObject({ etag });
      }),
      { numRuns: 500 },
    );
  });
});

describe("sidecars", () => {
  const sidecars = [
    aSidecar(),
    annotatedSidecar({ "product-name": "Shop", active: "true", "product-tags": "a,b", "build-id": "1" }),
    aSidecar({ spec: { hookSelector: { matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] } } }),
    aSidecar({ metadata: { ownerReferences: [{ kind: "ScheduledScan", name: "n" }] } }),
  ];

  it("are a Scan that travels as a job, or an error that names them", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyJson(), mutated(...sidecars)), (content) =>
        onlyRelayErrors(() => {
          const scan = parseSidecar(content, OBJECT);
          const job: ScanJob = { version: 1, kind: "import", ...FINDINGS, etag: "e", scan };
          expect(decodeJob(encodeJob(job), "message")).toEqual(job);
          dojoScanType(scan);
          readAnnotations(scan, OBJECT);
        }),
      ),
      { numRuns: 2_000 },
    );
  });

  it.each(["scan.json", "scan.yaml"])("of any bytes as %s are a Scan, or an error that names them", async (name) => {
    const valid = JSON.stringify(aSidecar());
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      anyText().map((text) => Buffer.from(text)),
      fc
        .tuple(fc.nat(valid.length), anyText(3))
        .map(([at, text]) => Buffer.from(valid.slice(0, at) + text + valid.slice(at + 1))),
      fc.nat(valid.length).map((length) => Buffer.from(valid.slice(0, length))),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        const storage = memoryStorage();
        storage.put(sibling(FINDINGS, name), content);
        await onlyRelayErrors(() =>
          readSidecar(storage, FINDINGS, {
            sidecarName: "scan.json",
            findingsName: "findings.json",
            maxSidecarBytes: 10_000,
          }),
        );
      }),
      { numRuns: 500 },
    );
  });

  it("have annotations that are taken, warned of or refused by name", async () => {
    const names = fc.oneof(
      anyText(10),
      fc.constantFrom("product-name", "active", "minimum-severity", "group-by", "product-nam"),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, anyText(10)), (annotations) =>
        onlyRelayErrors(() => {
          const { options } = readAnnotations(aScan({ annotations }), OBJECT);
          expect(options.productName).not.toBe("");
          expect(options.engagementName).not.toBe("");
          expect(DOJO_SEVERITIES).toContain(options.minimumSeverity);
        }),
      ),
      { numRuns: 500 },
    );
  });
});

describe("findings files", () => {
  const file = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(anyJson(3), { maxLength: 3 }).map((items) => Buffer.from(JSON.stringify(items))),
    anyJson(3).map((value) => Buffer.from(JSON.stringify(value))),
    fc.tuple(fc.array(validFinding, { maxLength: 2 }), fc.nat(), anyText(3)).map(([findings, at, text]) => {
      const json = JSON.stringify(findings);
      return Buffer.from(json.slice(0, at % json.length) + text + json.slice((at % json.length) + 1));
    }),
  );

  it("of any bytes in any pieces are findings, or an error that names the file", async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 50 }), async (bytes, size) => {
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        );
        await onlyRelayErrors(async () => {
          for (const finding of await collect(readFindings(Readable.from(chunks), OBJECT)))
            expect(typeof finding.name).toBe("string");
        });
      }),
      { numRuns: 500 },
    );
  });

  it("that are good come out as JSON.parse reads them", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(validFinding, { maxLength: 3 }), async (findings) => {
        const json = JSON.stringify(findings);
        fc.pre(!json.includes("__proto__"));
        expect(await collect(readFindings(Readable.from([Buffer.from(json)]), OBJECT))).toEqual(JSON.parse(json));
      }),
      { numRuns: 300 },
    );
  });
});

describe("what DefectDojo answers", () => {
  const pages = fc.record({
    count: fc.oneof(fc.nat(4), fc.constantFrom(-1, 0.5, null)),
    results: fc.array(
      fc.oneof(
        fc.nat(5).map((id) => rawFinding(id, { duplicate: id % 2 === 0, duplicate_finding: id, endpoints: [id] })),
        mutated(rawFinding(1)),
        fc.record({ id: fc.nat(5), name: anyText(5), product: fc.nat(3), version: anyText(3), prod_type: fc.nat(3) }),
        fc.record({ id: fc.nat(5), location: fc.nat(5), finding: fc.nat(5), location_value: anyText(5) }),
        anyJson(2),
      ),
      { maxLength: 3 },
    ),
    prefetch: fc.oneof(fc.constant(undefined), anyJson(2)),
  });
  const body = fc.oneof(
    pages,
    anyJson(3),
    mutated(
      { user: { id: 1, username: "a" } },
      { test_id: 1, statistics: { after: { total: { total: 1 } } } },
      rawFinding(1),
    ),
  );
  const status = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(200, 201, 204) },
    fc.integer({ min: 100, max: 599 }),
    fc.constantFrom(301, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504),
  );
  const calls: Readonly<Record<string, (dojo: DefectDojo) => unknown>> = {
    user: (dojo) => dojo.user(),
    userNamed: (dojo) => dojo.userNamed("a"),
    "productType by name": (dojo) => dojo.productType("a", true),
    "productType by id": (dojo) => dojo.productType(1, true),
    product: (dojo) => dojo.product({ name: "a", description: "d", tags: [], productTypeId: 1 }),
    engagement: (dojo) =>
      dojo.engagement({
        productId: 1,
        name: "a",
        version: "",
        tags: [],
        branchTag: "",
        deduplicateOnEngagement: false,
        leadId: 1,
        start: "2026-11-24",
        end: "2026-11-24",
        orchestrated: true,
      }),
    checkParameters: (dojo) => dojo.checkParameters({ groupBy: "vuln_id_from_tool" }),
    takesField: (dojo) => dojo.takesField("cwes"),
    environment: (dojo) => dojo.environment("a"),
    hasTestType: (dojo) => dojo.hasTestType("a"),
    testType: (dojo) => dojo.testType("a"),
    testsByBuildId: (dojo) => dojo.testsByBuildId("a"),
    importScan: (dojo) =>
      dojo.importScan({
        scanType: "a",
        engagementId: 1,
        buildId: "a",
        file: { path: "/dev/null", name: "a.json" },
        title: "a",
        version: "",
        minimumSeverity: "Info",
        closeOldFindings: false,
        leadId: 1,
        tags: [],
        timeoutMs: 1_000,
      }),
    placeOfTest: (dojo) => dojo.placeOfTest(1),
    findingCount: (dojo) => dojo.findingCount(1),
    findingPages: (dojo) => collect(dojo.findingPages(1, undefined)),
    "findingPages with a number": (dojo) => collect(dojo.findingPages(1, 2)),
    updateTest: (dojo) => dojo.updateTest(1, { title: "a" }),
    deleteTest: (dojo) => dojo.deleteTest(1),
    closeFindings: (dojo) => dojo.closeFindings(1, () => true),
  };

  it.each(Object.entries(calls))("to %s is understood, or an error of ours that names the request", async (_, call) => {
    const replies = fc.array(fc.tuple(status, body), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(replies, async (all) => {
        let at = 0;
        const transport = fakeTransport(() => all[at++ % all.length] ?? [500]);
        await onlyRelayErrors(() =>
          call(dojoClient(transport, { baseUrl: "https://dojo.example.com", readConcurrency: 2 })),
        );
      }),
      { numRuns: 200 },
    );
  });

  describe("over the wire", () => {
    let server: TestServer;
    let reply: { status: number; headers: Record<string, string>; body: Uint8Array };
    beforeAll(async () => {
      server = await testServer((_, response) => {
        response.writeHead(reply.status, reply.headers).end(reply.body);
      });
    });
    afterAll(() => server.close());

    it("in any bytes is understood, or an error of ours that names the request, and never has the key", async () => {
      const headers = fc.record(
        {
          // None that makes the client wait.
          "retry-after": fc.constantFrom("0", "99999", "Wed, 21 Oct 2099 07:28:00 GMT", "-1"),
          location: fc.oneof(fc.webUrl(), fc.constantFrom("", "//", "http://[", "/x")),
          "content-type": fc.constantFrom("text/html", "application/json", "x"),
        },
        { requiredKeys: ["retry-after"] },
      );
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        body.map((value) => Buffer.from(JSON.stringify(value) ?? "")),
        fc.constant(Buffer.from("[".repeat(50_000))),
        fc.constant(Buffer.from(`${"[".repeat(20_000)}${"]".repeat(20_000)}`)),
      );
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 200, max: 599 }), headers, bytes, async (code, fields, content) => {
          reply = { status: code, headers: fields, body: content };
          const transport = httpTransport({ baseUrl: server.url, apiKey: async () => "s3cr3t", timeoutMs: 5_000 });
          const dojo = dojoClient(transport, { baseUrl: server.url, readConcurrency: 1 });
          await onlyRelayErrors(async () => {
            try {
              await dojo.product({ name: "a", description: "d", tags: [], productTypeId: 1 });
            } catch (error) {
              if (error instanceof RelayError) expect(`${error.message}${error.stack}`).not.toContain("s3cr3t");
              throw error;
            }
          });
        }),
        { numRuns: 60 },
      );
    }, 60_000);
  });
});

describe("what lies in the bucket", () => {
  it("as a receipt or note of any content is read, or made anew", async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      anyJson().map((value) => Buffer.from(JSON.stringify(value))),
      mutated(aReceipt(), { version: 1, jobKey: "job", refusals: 0, waits: { messageId: "m", count: 1 } }).map(
        (value) => Buffer.from(JSON.stringify(value)),
      ),
    );
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        const storage = memoryStorage();
        storage.put(receiptOf(FINDINGS), bytes);
        storage.put(checkpointOf(FINDINGS), bytes);
        const { log } = recorder();
        const found = await readReceipt(storage, FINDINGS, log);
        if (found !== undefined) expect(found.receipt.version).toBe(1);
        expect(await checkpointStore(storage, log).read(FINDINGS, "job")).toMatchObject({ version: 1, jobKey: "job" });
      }),
      { numRuns: 500 },
    );
  });

  it("in a queue of any content is a job, or an error that names the message", async () => {
    const job: ScanJob = { version: 1, kind: "import", ...FINDINGS, etag: "e", scan: aScan() };
    const text = fc.oneof(
      anyText(),
      anyJson().map((value) => JSON.stringify(value)),
      mutated(job).map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(text, (content) => onlyRelayErrors(() => decodeJob(content ?? "", "message"))),
      { numRuns: 1_000 },
    );
  });
});

describe("jobs", () => {
  const scan: fc.Arbitrary<Scan> = fc
    .record({
      name: anyText(10).filter((name) => name !== ""),
      namespace: anyText(10).filter((name) => name !== ""),
      scanType: anyText(10).filter((name) => name !== ""),
      parameters: fc.array(anyText()),
      annotations: fc.dictionary(
        anyText(10).filter((name) => name !== "__proto__" && isUsable(name)),
        anyText(10),
      ),
    })
    .map((one) => one);
  const job: fc.Arbitrary<ScanJob> = fc.record({
    version: fc.constant(1 as const),
    kind: fc.constantFrom("import" as const, "resync" as const),
    bucket: anyText(10).filter((text) => text !== ""),
    key: anyText().filter((text) => text !== ""),
    etag: fc.stringMatching(/^[\x20-\x7e\x80-\xff]{1,10}$/),
    scan,
  });
  /** Without what ingest refuses: NUL and half surrogate pairs. */
  const usable = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value), (_, item: unknown) =>
      typeof item === "string" ? item.toWellFormed().replaceAll("\0", "0") : item,
    ) as T;

  it("come out of a message as they went in, in characters that SQS takes", () => {
    fc.assert(
      fc.property(job.map(usable), (one) => {
        const body = encodeJob(one);
        expect(body).toMatch(/^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u);
        expect(decodeJob(body, "message")).toEqual(one);
      }),
      { numRuns: 500 },
    );
  });

  it("have keys that are the same for the same upload alone", () => {
    const upload = fc.record({ bucket: anyText(3), key: anyText(3), etag: anyText(3) });
    fc.assert(
      fc.property(upload, upload, (a, b) => {
        const same = a.bucket === b.bucket && a.key === b.key && a.etag === b.etag;
        expect(jobKey(a)).toMatch(/^[\da-f]{64}$/);
        expect(jobKey(a) === jobKey(b)).toBe(same);
        expect(jobKey({ ...a })).toBe(jobKey(a));
      }),
      { numRuns: 500 },
    );
  });

  it("have sequencers in a total preorder", () => {
    const hex = fc.stringMatching(/^[\da-fA-F]{0,6}$/);
    fc.assert(
      fc.property(hex, hex, hex, (a, b, c) => {
        const sign = (x: string, y: string) => Math.sign(compareSequencers(x, y));
        expect(sign(a, a)).toBe(0);
        expect(sign(a, b)).toBe(-sign(b, a) + 0);
        if (sign(a, b) <= 0 && sign(b, c) <= 0) expect(sign(a, c)).toBeLessThanOrEqual(0);
        if (sign(a, b) === 0) expect(sign(a, c)).toBe(sign(b, c));
        expect(sign(a, `${a}0`)).toBe(0);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("texts", () => {
  it("that are cleaned hold nothing that a database refuses, and stay as they are then", () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        const clean = cleanText(text);
        expect(clean).not.toMatch(CONTROL);
        expect(clean.isWellFormed()).toBe(true);
        expect(cleanText(clean)).toBe(clean);
        expect(clean.length).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it("that are cut are no longer than wanted, begin as they did and break no character", () => {
    fc.assert(
      fc.property(anyText(20), fc.integer({ min: 1, max: 25 }), (text, longest) => {
        const cut = cutText(text, longest);
        expect(cut.length).toBeLessThanOrEqual(longest);
        if (text.length <= longest) expect(cut).toBe(text);
        else {
          expect(cut.endsWith("…")).toBe(true);
          expect(cut.isWellFormed()).toBe(true);
          expect(text.toWellFormed().startsWith(cut.slice(0, -1))).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("of attributes read back as they were", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(jacksonJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 500 },
    );
  });
});

describe("locations", () => {
  const part = fc.oneof(
    fc.constantFrom(
      "http://",
      "//",
      ":",
      "@",
      "[::1]",
      "[",
      "]",
      "a",
      "example.com",
      "%",
      "/",
      "?",
      "#",
      ":80",
      "é",
      "%ff",
    ),
    anyText(3),
  );
  const location = fc.oneof(
    fc.array(part, { maxLength: 6 }).map((parts) => parts.join("")),
    fc.webUrl({ withFragments: true, withQueryParameters: true }),
    fc.ipV6().map((address) => `tcp://[${address}]:443`),
    fc.domain(),
    anyText(),
  );

  it("that are sent as endpoints are read by DefectDojo in either mode", () => {
    fc.assert(
      fc.property(location, (text) => {
        if (!isLocation(text)) return;
        const sent = text.includes("://") ? text : `//${text}`;
        expect(() => endpointFrom(sent), text).not.toThrow();
        expect(locationFrom(sent), text).toBeDefined();
      }),
      { numRuns: 5_000 },
    );
  });

  it("that are plain addresses are sent", () => {
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }));
    fc.assert(
      fc.property(
        fc.oneof(fc.domain(), fc.ipV4()),
        port,
        fc.constantFrom("", "http://", "ssh://"),
        (host, number, scheme) => {
          expect(isLocation(`${scheme}${host}${number === null ? "" : `:${number}`}`)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("are told quickly, however they are made", () => {
    fc.assert(
      fc.property(fc.constantFrom("a:", "@", "[", "://", "a.", ".", "-", "::"), fc.nat(1_000), (piece, times) => {
        expect(cpuTimeMs(() => isLocation(piece.repeat(times)))).toBeLessThan(2_000);
      }),
      { numRuns: 200 },
    );
  });
});

describe("file names of reports", () => {
  it("have an extension that DefectDojo takes, and nothing that a header could be made of", () => {
    fc.assert(
      fc.property(
        anyText().filter((name) => name !== ""),
        anyText(),
        (name, start) => {
          const sent = reportFileName(name, start);
          expect(sent).toMatch(/^[\w.@+ -]+\.(xml|csv|nessus|json|jsonl|html|js|zip|xlsx|txt|sarif|fpr|md|log|fvdl)$/i);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("the mapping", () => {
  const context = {
    scan: aScan(),
    now: NOW.toISOString(),
    url: (kind: string, id: number) => `https://dojo.example.com/${kind}/${id}`,
  };
  const finding = fc.oneof(validFinding, readableFinding);

  it("makes of any finding one that DefectDojo accepts", () => {
    fc.assert(
      fc.property(finding, fc.nat(10), fc.boolean(), (raw, index, full) => {
        const parsed = findingSchema.safeParse(raw);
        fc.pre(parsed.success);
        const { generic, repairs } = toGenericFinding(parsed.data as ScanFinding, index, NOW, { full, cwes: full });
        expect(generic.title.trim()).not.toBe("");
        expect(generic.title.length).toBeLessThanOrEqual(LONGEST_TITLE);
        expect(DOJO_SEVERITIES).toContain(generic.severity);
        expect(generic.description.trim()).not.toBe("");
        expect(generic.unique_id_from_tool).not.toBe("");
        expect(generic.unique_id_from_tool.length).toBeLessThanOrEqual(500);
        if (generic.date !== undefined) {
          expect(generic.date).toMatch(/^(19[789]\d|20\d\d)-\d\d-\d\d$/);
          expect(generic.date <= "2026-11-24").toBe(true);
        }
        for (const endpoint of generic.endpoints ?? []) expect(isLocation(endpoint)).toBe(true);
        for (const value of Object.values(generic).flat()) {
          if (typeof value === "number") continue;
          expect(value).not.toMatch(CONTROL);
          expect(value.isWellFormed()).toBe(true);
        }
        for (const repair of repairs) expect(repair.length).toBeLessThan(500);
      }),
      { numRuns: 2_000 },
    );
  });

  const validate = findingsValidator();
  const dojoFinding = fc
    .record({
      id: fc.nat(),
      title: anyText(),
      description: anyText(),
      mitigation: anyText(),
      references: anyText(200),
      locations: fc.array(anyText(), { maxLength: 2 }),
      severity: fc.constantFrom(...DOJO_SEVERITIES),
      duplicate: fc.boolean(),
      falsePositive: fc.boolean(),
    })
    .map((changes) => aDojoFinding(changes));

  it.skipIf(validate === undefined)(
    "makes of any finding of DefectDojo one that satisfies secureCodeBox's schema",
    () => {
      fc.assert(
        fc.property(dojoFinding, fc.option(dojoFinding, { nil: undefined }), (one, original) => {
          const written = JSON.parse(JSON.stringify([toSyncedFinding(one, original, context)]));
          expect(validate?.(written), JSON.stringify(validate?.errors)).toBe(true);
        }),
        { numRuns: 500 },
      );
    },
  );

  it.skipIf(validate === undefined)(
    "merges findings that satisfy the schema into findings that do, none lost",
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(validFinding, dojoFinding), { maxLength: 5 }),
          fc.nat(),
          async (pairs, seed) => {
            const uploaded = pairs.flatMap(([raw]) => {
              const parsed = findingSchema.safeParse(raw);
              return parsed.success ? [parsed.data] : [];
            });
            fc.pre(uploaded.length === pairs.length);
            const inDojo = pairs.map(([raw, found]) => {
              const one = { ...found, uniqueIdFromTool: String(raw.id) };
              return { finding: one };
            });
            const turned = [...inDojo.slice(seed % (pairs.length + 1)), ...inDojo.slice(0, seed % (pairs.length + 1))];
            const { written } = await merging({ mode: "merge", uploaded, dojo: turned });
            expect(validate?.(written), JSON.stringify(validate?.errors)).toBe(true);
            expect(written.map(({ id }) => id)).toEqual(uploaded.map(({ id }) => id));
          },
        ),
        { numRuns: 300 },
      );
    },
  );
});
