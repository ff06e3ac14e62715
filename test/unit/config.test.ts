import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type Env,
  readCommonConfig,
  readDojoConfig,
  readImporterConfig,
  readOperatorConfig,
  readResyncConfig,
  readServiceConfig,
} from "../../lib/config.ts";
import { recordSettings } from "../../lib/importer/settings.ts";
import { ingestSettings } from "../../lib/ingest/settings.ts";
import { relayErrorBy } from "../helpers/thrown.ts";

const QUEUES = {
  QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/1/jobs.fifo",
  DLQ_URL: "https://sqs.eu-central-1.amazonaws.com/1/dlq.fifo",
};
const LEAST = { ...QUEUES, DEFECTDOJO_URL: "https://dojo.example.com" };

describe("defaults", () => {
  it("of what both functions read", () => {
    expect(readCommonConfig({ ...QUEUES, PATH: "/bin" })).toEqual({
      ...QUEUES,
      AWS_REGION: "us-east-1",
      SIDECAR_NAME: "scan.json",
      FINDINGS_NAME: "findings.json",
      MAX_SIDECAR_BYTES: 1_048_576,
      SIDECAR_GRACE_SECONDS: 30,
      LOG_LEVEL: "info",
    });
  });

  it("of what the importer reads", () => {
    expect(readImporterConfig(LEAST)).toMatchObject({
      DEFECTDOJO_LOW_PRIVILEGED_MODE: false,
      DEFECTDOJO_SYNC_FINDINGS_BACK: true,
      SYNC_MODE: "replace",
      READ_CONCURRENCY: 4,
      DEFECTDOJO_TIMEOUT_SECONDS: 60,
      MAX_FAILURES: 5,
      POLL_SECONDS: 2,
    });
  });

  it("of the service", () => {
    expect(readServiceConfig({})).toMatchObject({ PORT: 8080, HOST: "127.0.0.1", BUCKET: "securecodebox" });
  });

  it("of the service: Scans count from a day or a time on that there is", async () => {
    for (const SCAN_SINCE of ["2026-11-24", "2026-11-24T12:00:00Z", "2026-11-24T12:00:00+01:00"])
      expect(readServiceConfig({ SCAN_SINCE })).toMatchObject({ SCAN_SINCE });
    for (const SCAN_SINCE of ["7d", "2026-13-01", "2026-11-24T12:00"])
      expect(await relayErrorBy(() => readServiceConfig({ SCAN_SINCE }))).toMatchObject({
        message: expect.stringContaining("SCAN_SINCE"),
      });
  });

  it("of what commands read: the queues need no address, and a resync none at all", () => {
    expect(readOperatorConfig({})).toEqual({
      AWS_REGION: "us-east-1",
      BUCKET: "securecodebox",
      FINDINGS_NAME: "findings.json",
      SIDECAR_NAME: "scan.json",
      MAX_SIDECAR_BYTES: 1_048_576,
      SIDECAR_GRACE_SECONDS: 30,
      HEARTBEAT_SECONDS: 120,
      VISIBILITY_SECONDS: 120,
    });
    expect(readResyncConfig({ DEFECTDOJO_URL: "https://dojo.example.com" })).toMatchObject({
      BUCKET: "securecodebox",
      RESYNC_PREFIX: "",
      RESYNC_DAYS: 7,
    });
  });

  it("cannot be changed by whoever is handed them", () => {
    expect(Object.isFrozen(readImporterConfig(LEAST))).toBe(true);
  });
});

describe("values", () => {
  it.each<[string, string, unknown]>([
    ["DEFECTDOJO_LOW_PRIVILEGED_MODE", "TRUE", true],
    ["DEFECTDOJO_LOW_PRIVILEGED_MODE", "1", true],
    ["DEFECTDOJO_SYNC_FINDINGS_BACK", "False", false],
    ["DEFECTDOJO_SYNC_FINDINGS_BACK", "0", false],
    ["DEFECTDOJO_URL", "https://dojo.example.com/sub//", "https://dojo.example.com/sub"],
    ["DEFECTDOJO_APIKEY", " key\n", "key"],
    ["DEFECTDOJO_USER_ID", "7", 7],
    ["SYNC_MODE", "merge", "merge"],
    ["ON_FEWER_FINDINGS", "generic", "generic"],
    ["GENERIC_DETAILS", "full", "full"],
    ["SCAN_TYPE_MAP", '{"subfinder":"Subfinder Scan"}', { subfinder: "Subfinder Scan" }],
    ["DEFECTDOJO_HOOK_LABELS", "team=a, stage=prod", { team: "a", stage: "prod" }],
    ["POLL_SECONDS", "0.5", 0.5],
    ["MAX_FAILURES", "3", 3],
    ["LOG_LEVEL", "WARN", "warn"],
    ["AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000/", "http://127.0.0.1:9000"],
    ["SIDECAR_NAME", "scan.yaml", "scan.yaml"],
  ])("%s=%j", (name, text, expected) => {
    expect(readImporterConfig({ ...LEAST, [name]: text })).toHaveProperty(name, expected);
  });

  it.each([
    ["QUEUE_URL", "jobs"],
    ["DLQ_URL", "ftp://x/y"],
    ["DEFECTDOJO_URL", "dojo.example.com"],
    ["DEFECTDOJO_URL", "file:///etc/passwd"],
    ["DEFECTDOJO_USER_ID", "admin"],
    ["DEFECTDOJO_USER_ID", "0"],
    ["DEFECTDOJO_LOW_PRIVILEGED_MODE", "yes"],
    ["SYNC_MODE", "both"],
    ["ON_FEWER_FINDINGS", "native"],
    ["GENERIC_DETAILS", "all"],
    ["SCAN_TYPE_MAP", "nmap=x"],
    ["SCAN_TYPE_MAP", '["nmap"]'],
    ["SCAN_TYPE_MAP", '{"nmap":""}'],
    ["DEFECTDOJO_HOOK_LABELS", "team"],
    ["SIDECAR_NAME", "../scan.json"],
    ["FINDINGS_NAME", "a/b.json"],
    ["FINDINGS_NAME", "*-find*ings.json"],
    ["FINDINGS_NAME", "*.json"],
    ["FINDINGS_NAME", "?-findings.json"],
    ["FINDINGS_NAME", "{a,b}-findings.json"],
    ["MAX_SIDECAR_BYTES", "0"],
    ["MAX_SIDECAR_BYTES", "1.5"],
    ["MAX_SIDECAR_BYTES", "1 MiB"],
    ["READ_CONCURRENCY", "33"],
    ["POLL_SECONDS", "0"],
    ["HEARTBEAT_SECONDS", "2"],
    ["LOG_LEVEL", "loud"],
  ])("%s=%j is refused by its name", async (name, text) => {
    const error = await relayErrorBy(() => readImporterConfig({ ...LEAST, [name]: text }));
    expect(error).toMatchObject({ reason: "config-invalid", object: "environment" });
    expect(error.message).toMatch(new RegExp(`: ${name}[:.]`));
    expect(error.message).not.toContain("; ");
  });

  it.each(["", " ", "\n"])("left blank as %j are as if they were not set", (blank) => {
    const names = ["SIDECAR_NAME", "DEFECTDOJO_APIKEY", "SYNC_MODE", "SIDECAR_GRACE_SECONDS", "DEFECTDOJO_HOOK_LABELS"];
    const env = { ...LEAST, ...Object.fromEntries(names.map((name) => [name, blank])) };
    expect(readImporterConfig(env)).toEqual(readImporterConfig(LEAST));
  });
});

describe("errors", () => {
  it("name every variable that is missing or wrong at once", async () => {
    const env: Env = { QUEUE_URL: "", DEFECTDOJO_URL: "x", MAX_FAILURES: "many", SYNC_MODE: "both" };
    const { message } = await relayErrorBy(() => readImporterConfig(env));
    for (const name of ["QUEUE_URL", "DLQ_URL", "DEFECTDOJO_URL", "MAX_FAILURES", "SYNC_MODE"])
      expect(message).toContain(`${name}: `);
  });

  it("do not repeat what was set, which may be a secret", async () => {
    const env = {
      DEFECTDOJO_URL: "s3cr3t",
      DEFECTDOJO_USER_ID: "s3cr3t",
      SYNC_MODE: "s3cr3t",
      SCAN_TYPE_MAP: "s3cr3t",
    };
    expect((await relayErrorBy(() => readDojoConfig(env))).message).not.toContain("s3cr3t");
  });
});

describe("settings", () => {
  it("of ingest come from the configuration", () => {
    const config = readCommonConfig({ ...QUEUES, SIDECAR_GRACE_SECONDS: "5", DEFECTDOJO_HOOK_LABELS: "a=b" });
    expect(ingestSettings(config)).toEqual({
      sidecarName: "scan.json",
      findingsName: "findings.json",
      maxSidecarBytes: 1_048_576,
      hookLabels: { a: "b" },
      sidecarGraceMs: 5_000,
    });
  });

  it("of the importer are in milliseconds where the configuration has seconds", () => {
    const settings = recordSettings(
      readImporterConfig({
        ...LEAST,
        IMPORT_SETTLE_SECONDS: "3",
        POLL_SECONDS: "0.5",
        DEDUPLICATION_QUIET_SECONDS: "4",
      }),
    );
    expect(settings.flow.ledger).toMatchObject({ settleMs: 3_000, pollMs: 500 });
    expect(settings.flow.deduplication).toMatchObject({ quietMs: 4_000, pollMs: 500 });
    expect(settings.flow.scanTypeMap).toEqual({});
    expect(settings.heartbeatSeconds).toBe(120);
  });
});

describe("the documented variables", () => {
  const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const source = file("lib/config.ts");
  const variables = new Set([...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+): /gm)].map(([, name = ""]) => name));
  const section = file("docs/configuration.md");
  const named = new Set([...section.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, name = ""]) => name));

  it("have every variable that is read", () => {
    expect(variables.size).toBeGreaterThan(45);
    expect([...variables].filter((name) => !named.has(name))).toEqual([]);
  });

  it("have none that nobody reads", () => {
    // Node's own, and those of proxies, which only lib/aws/clients.ts and lib/defectdojo/http.ts hand on.
    const others = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS"];
    const rows = section.split("\n").filter((line) => line.startsWith("| `"));
    const first = rows.flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`([A-Z][A-Z0-9_]+)`/g)]);
    expect(first.map(([, name = ""]) => name).filter((name) => !variables.has(name) && !others.includes(name))).toEqual(
      [],
    );
  });
});
