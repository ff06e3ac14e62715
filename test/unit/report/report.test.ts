import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import type { DojoSeverity } from "../../../lib/model/annotations.ts";
import { sibling } from "../../../lib/model/object-keys.ts";
import type { Details } from "../../../lib/report/generic-details.ts";
import {
  batched,
  checkFindings,
  fetchRawResult,
  isBlank,
  streamFindings,
  writeGenericReport,
} from "../../../lib/report/report.ts";
import type { ReportLimits } from "../../../lib/types.ts";
import { brokenBody } from "../../helpers/broken-body.ts";
import { collect } from "../../helpers/collect.ts";
import { aFinding, aJob, aScan, FINDINGS } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const LIMITS: ReportLimits = { maxFindingsBytes: 1_000_000, maxRawResultBytes: 1_000 };
const NOW = new Date("2026-11-24T12:00:00Z");
const URI = "s3://securecodebox/scan-abc/findings.json";
const folder = mkdtempSync(join(tmpdir(), "dojo-relay-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const upload = (findings: unknown) => {
  const storage = memoryStorage();
  const etag = storage.put(FINDINGS, typeof findings === "string" ? findings : JSON.stringify(findings));
  return { storage, job: aJob({ etag }), limits: LIMITS };
};

describe("the findings of a job", () => {
  it("are counted, each checked, and those that the minimum severity lets through", async () => {
    const found = upload([aFinding({ severity: "HIGH" }), aFinding({ severity: "LOW" }), aFinding({ severity: null })]);
    expect(await checkFindings(found, "Info")).toMatchObject({ all: { count: 3 }, imported: { count: 3 } });
    expect(await checkFindings(found, "Medium")).toMatchObject({ all: { count: 3 }, imported: { count: 1 } });
    const bad = upload([aFinding(), { id: "x" }]);
    const error = await relayErrorBy(() => checkFindings(bad, "Info"));
    expect(error).toMatchObject({ reason: "findings-invalid", object: URI });
  });

  it("that are gone are missing", async () => {
    expect(
      await relayErrorBy(() => checkFindings({ storage: memoryStorage(), job: aJob(), limits: LIMITS }, "Info")),
    ).toMatchObject({
      reason: "findings-missing",
      object: URI,
    });
  });

  it("that another upload took the place of are no longer ours", async () => {
    const { storage } = upload([]);
    expect(
      await relayErrorBy(() => checkFindings({ storage, job: aJob({ etag: "old" }), limits: LIMITS }, "Info")),
    ).toMatchObject({
      reason: "storage-precondition",
      object: URI,
    });
  });

  it("that are too large are refused before they are read", async () => {
    const { storage, job } = upload([aFinding()]);
    const error = await relayErrorBy(() =>
      checkFindings({ storage, job, limits: { ...LIMITS, maxFindingsBytes: 10 } }, "Info"),
    );
    expect(error).toMatchObject({ reason: "findings-too-large", object: URI });
    expect(error.message).toMatch(/has \d+ bytes, more than 10$/);
  });

  const head = { etag: "e", size: 10, lastModified: undefined, metadata: {} };
  const stream = (body: Readable) => collect(streamFindings({ head, body }, FINDINGS, LIMITS));

  it.each([
    ["with an error", Object.assign(new Error("aborted"), { code: "ECONNRESET" })],
    ["without one", undefined],
  ])("whose connection breaks %s are no bad findings, and are tried again", async (_, error) => {
    const body = brokenBody('[{"name":"a"},', error);
    expect(await relayErrorBy(() => stream(body))).toMatchObject({ reason: "storage-unavailable", object: URI });
  });

  it("are let go of where nobody reads on", async () => {
    const body = Readable.from(
      (function* () {
        yield '[{"name":"a"}';
        for (;;) yield ',{"name":"b"}';
      })(),
    );
    for await (const finding of streamFindings({ head, body }, FINDINGS, LIMITS)) {
      expect(finding.name).toBe("a");
      break;
    }
    expect(body.destroyed).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it("are let go of where they are bad", async () => {
    const body = Readable.from(["[1", ",2]"]);
    await relayErrorBy(() => stream(body));
    expect(body.destroyed).toBe(true);
  });
});

describe("the generic report", () => {
  const write = (
    from: ReturnType<typeof upload>,
    minimumSeverity: DojoSeverity = "Info",
    details: Details = { full: false, cwes: false },
  ) => writeGenericReport(from, { minimumSeverity, now: NOW, details }, folder);
  const read = ({ path }: { path: string }) => JSON.parse(readFileSync(path, "utf8"));

  it("has every finding, in order", async () => {
    const report = await write(upload(["a", "b", "c"].map((name) => aFinding({ name, id: name }))));
    expect(report).toMatchObject({ name: "findings.json", expected: 3, repairs: [], repairCount: 0 });
    expect(read(report).findings.map(({ title }: { title: string }) => title)).toEqual(["a", "b", "c"]);
    expect(Object.keys(read(report).findings[0]).sort()).toEqual([
      "date",
      "description",
      "endpoints",
      "severity",
      "title",
      "unique_id_from_tool",
    ]);
  });

  it("has what findings carry in columns of their own, as much as is asked for", async () => {
    const found = aFinding({ attributes: { cwe: ["CWE-79", "CWE-89"], packageName: "a", file: "b", line_number: 3 } });
    const columns = async (details: Details) => {
      const [{ component_name, cwe, cwes, file_path, line }] = read(
        await write(upload([found]), "Info", details),
      ).findings;
      return { component_name, cwe, cwes, file_path, line };
    };
    expect(await columns({ full: false, cwes: false })).toEqual({ component_name: "a" });
    const full = { component_name: "a", cwe: 79, file_path: "b", line: 3 };
    expect(await columns({ full: true, cwes: false })).toEqual(full);
    expect(await columns({ full: true, cwes: true })).toEqual({ ...full, cwes: ["CWE-79", "CWE-89"] });
  });

  it("has 20 findings alike 20 times", async () => {
    const report = await write(upload(Array(20).fill(aFinding())));
    expect(report.expected).toBe(20);
    expect(read(report).findings).toHaveLength(20);
  });

  it("of nothing is an empty one", async () => {
    const report = await write(upload([]));
    expect(report.expected).toBe(0);
    expect(read(report)).toEqual({ findings: [] });
  });

  it.each([
    ["Info", 4],
    ["Low", 3],
    ["Medium", 2],
    ["High", 1],
    ["Critical", 0],
  ] as const)("with minimum severity %s must keep %d, though all are sent", async (least, expected) => {
    const severities = ["HIGH", "MEDIUM", "LOW", "Bogus"];
    const report = await write(upload(severities.map((severity) => aFinding({ severity }))), least);
    expect(report.expected).toBe(expected);
    expect(read(report).findings).toHaveLength(4);
  });

  it("tells what was repaired where, and no more than a hundred of it", async () => {
    const report = await write(
      upload(Array.from({ length: 150 }, (_, i) => aFinding({ id: `id-${i}`, severity: "Bogus" }))),
    );
    expect(report.repairCount).toBe(150);
    expect(report.repairs).toHaveLength(100);
    expect(report.repairs[7]).toBe('[7] id-7 severity: "Bogus" is not known, taken as Info');
  });

  it("tells repairs in short words, so that the receipt stays small", async () => {
    const long = "x y".repeat(30_000);
    const { repairs } = await write(
      upload([aFinding({ id: long, severity: long, location: long, identified_at: long })]),
    );
    expect(repairs).toHaveLength(3);
    for (const repair of repairs) expect(repair.length).toBeLessThan(400);
  });

  it("of bad findings is an error of theirs", async () => {
    expect(await relayErrorBy(() => write(upload([aFinding(), {}])))).toMatchObject({
      reason: "findings-invalid",
      object: URI,
    });
    expect(await relayErrorBy(() => write(upload("[{]")))).toMatchObject({ reason: "findings-invalid", object: URI });
  });
});

describe("the raw result", () => {
  const raw = (content: string | Uint8Array, rawResultFile = "nmap-results.xml") => {
    const storage = memoryStorage();
    storage.put(sibling(FINDINGS, rawResultFile), content);
    return fetchRawResult({ storage, job: aJob({ scan: aScan({ rawResultFile }) }), limits: LIMITS }, folder);
  };

  it.each([
    ["text", Buffer.from("<xml/>")],
    ["every byte", Uint8Array.from({ length: 512 }, (_, i) => i % 256)],
    ["nothing", new Uint8Array()],
  ])("of %s comes as it is", async (_, content) => {
    const report = await raw(content);
    expect(readFileSync(report.path).equals(Buffer.from(content))).toBe(true);
    expect(report.name).toBe("nmap-results.xml");
  });

  it("has a name that DefectDojo takes", async () => {
    expect((await raw('{"a":1}', "report")).name).toBe("report.json");
    expect((await raw("\ufeff<xml/>", "report")).name).toBe("report.xml");
  });

  it("takes the place of one that was fetched before", async () => {
    await raw("a long one");
    expect(readFileSync((await raw("x")).path, "utf8")).toBe("x");
  });

  it("that is missing is named", async () => {
    const error = await relayErrorBy(() =>
      fetchRawResult({ storage: memoryStorage(), job: aJob(), limits: LIMITS }, folder),
    );
    expect(error).toMatchObject({
      reason: "raw-result-missing",
      errorClass: "permanent",
      object: "s3://securecodebox/scan-abc/nmap-results.xml",
    });
  });

  it("that is too large is named", async () => {
    expect(await relayErrorBy(() => raw("x".repeat(1_001)))).toMatchObject({
      reason: "raw-result-too-large",
      object: "s3://securecodebox/scan-abc/nmap-results.xml",
    });
  });

  it("whose connection breaks is tried again", async () => {
    const body = brokenBody("x", new Error("aborted"));
    const head = { etag: "e", size: 10, lastModified: undefined, metadata: {} };
    const storage = { ...memoryStorage(), read: async () => ({ head, body }) };
    expect(await relayErrorBy(() => fetchRawResult({ storage, job: aJob(), limits: LIMITS }, folder))).toMatchObject({
      reason: "storage-unavailable",
      object: "s3://securecodebox/scan-abc/nmap-results.xml",
    });
  });
});

describe("a report that says nothing", () => {
  it.each([
    ["", true],
    [" \r\n\t", true],
    ["\ufeff", true],
    ["{}", true],
    [" {}\n", true],
    ["[]", true],
    ["null\n", true],
    ['""', true],
    ["{ }", false],
    ["{}x", false],
    ["0", false],
    ["<xml/>", false],
    [`${" ".repeat(300)}<xml/>`, false],
    [`[]${" ".repeat(300)}1`, false],
  ])("%j: %s", async (content, blank) => {
    const path = join(folder, "blank");
    writeFileSync(path, content);
    expect(await isBlank({ path, name: "x" })).toBe(blank);
  });
});

describe("batched", () => {
  it("gives all of it in larger pieces", async () => {
    const lines = Array.from({ length: 10_000 }, (_, i) => `line é ${i}\n`);
    const pieces = await collect(batched(Readable.from(lines)));
    expect(Buffer.concat(pieces).toString()).toBe(lines.join(""));
    expect(pieces.length).toBeLessThan(5);
    expect(await collect(batched(Readable.from([])))).toEqual([]);
  });

  it("throws what it is thrown", async () => {
    const error = new RelayError("read-unstable", "x");
    const failing = async function* () {
      yield "a";
      throw error;
    };
    expect(await relayErrorBy(() => collect(batched(failing())))).toBe(error);
  });
});
