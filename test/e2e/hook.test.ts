import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HookResult, type HookRun, runHook } from "../../cli/hook/run-hook.ts";
import { makeScratch } from "../../cli/hook/scratch.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { RelayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";
import { type Standin, startStandin } from "../standin/server.ts";
import { FINDINGS, FOLDER, NMAP_XML, scanResource, UID } from "./hook-scan.ts";
import {
  type KubeServer,
  kubeconfig,
  type PresignedServer,
  startKubeServer,
  startPresignedServer,
} from "./hook-servers.ts";

const RAW = `${FOLDER}/nmap-results.xml`;
const FOUND = `${FOLDER}/findings.json`;
const STATUS_PATH = "/apis/execution.securecodebox.io/v1/namespaces/pentest/scans/nmap-scanme/status";

let dojo: Standin;
let store: PresignedServer;
let kube: KubeServer;
let folder: string;
let lines: { level: string; message: string; fields: unknown }[];

beforeEach(async () => {
  [dojo, store, kube] = await Promise.all([startStandin(), startPresignedServer(), startKubeServer()]);
  folder = mkdtempSync(join(tmpdir(), "hook-test-"));
  lines = [];
  put(RAW, NMAP_XML);
  put(FOUND, JSON.stringify(FINDINGS));
  kube.scans.set("pentest/nmap-scanme", scanResource());
  writeFileSync(join(folder, "kubeconfig"), kubeconfig(kube.url));
});

afterEach(async () => {
  await Promise.all([dojo.close(), store.close(), kube.close()]);
  rmSync(folder, { recursive: true });
});

describe("dojo-relay hook", () => {
  test("read-only mode imports and leaves findings and Scan as they are", async () => {
    const result = await hook(readOnly());
    expect(result).toMatchObject({ outcome: "imported", patched: false, receipt: { importedAs: "Nmap Scan" } });
    expect(tests()).toHaveLength(1);
    expect(store.text(FOUND)).toBe(JSON.stringify(FINDINGS));
    expect(store.requests.every(({ method }) => method === "GET")).toBe(true);
    expect(kube.patches()).toEqual([]);
  });

  test("read-and-write mode replaces the findings and patches their counts into the Scan's status", async () => {
    const result = await hook(readWrite());
    expect(result).toMatchObject({ outcome: "synced", patched: true });
    const written = findings();
    expect(written).toHaveLength(3);
    expect(written[0]).toMatchObject({
      category: "DefectDojo Imported Finding",
      attributes: { "defectdojo.org/test-id": result.receipt?.test.id, duplicate: false, falsePositive: false },
      scan: { name: "nmap-scanme", namespace: "pentest" },
    });
    const [patch] = kube.patches();
    expect(patch).toMatchObject({
      path: STATUS_PATH,
      contentType: "application/json-patch+json",
      authorization: "Bearer kube-token",
    });
    expect(patch?.body).toEqual([
      {
        op: "add",
        path: "/status/findings",
        value: {
          count: 3,
          severities: { informational: 3, low: 0, medium: 0, high: 0 },
          categories: { "DefectDojo Imported Finding": 3 },
        },
      },
    ]);
  });

  test("the upload is one PUT of known length to the address for findings, and the raw result is never written", async () => {
    await hook(readWrite());
    const puts = store.requests.filter(({ method }) => method === "PUT");
    expect(puts).toHaveLength(1);
    expect(puts[0]).toMatchObject({
      path: FOUND,
      headers: { "content-length": String(store.objects.get(FOUND)?.body.length) },
    });
    expect(puts[0]?.headers["transfer-encoding"]).toBeUndefined();
    // A signature of version 2 covers the content type, and headers that are not signed are refused.
    expect(puts[0]?.headers["content-type"]).toBeUndefined();
    expect(Object.keys(puts[0]?.headers ?? {}).filter((name) => name.startsWith("x-amz"))).toEqual([]);
    expect(store.text(RAW)).toBe(NMAP_XML);
    expect(store.requests.some(({ method }) => method === "HEAD")).toBe(false);
  });

  test("what the Scan says files it: product of the ScheduledScan, engagement and test of the scan", async () => {
    kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ annotations: { "defectdojo.securecodebox.io/engagement-version": "v2" } }),
    );
    const { receipt } = await hook(readOnly());
    expect(receipt).toMatchObject({
      product: { name: "nmap-daily" },
      engagement: { name: "nmap-scanme" },
      test: { name: "nmap-scanme" },
    });
    expect([...dojo.state.engagements.values()].map(({ version }) => version)).toContain("v2");
  });

  test("DEFECTDOJO_SYNC_FINDINGS_BACK=false keeps to reading in spite of four addresses", async () => {
    expect(await hook(readWrite(), { DEFECTDOJO_SYNC_FINDINGS_BACK: "false" })).toMatchObject({
      outcome: "imported",
      patched: false,
    });
    expect(store.text(FOUND)).toBe(JSON.stringify(FINDINGS));
  });

  test("a scan type without a parser is imported from its findings; merge mode keeps them and adds the verdicts", async () => {
    kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ spec: { scanType: "custom" }, status: { rawResultType: "custom" } }),
    );
    const { receipt } = await hook(readWrite(), { SYNC_MODE: "merge" });
    expect(receipt).toMatchObject({ importedAs: "Generic Findings Import", syncMode: "merge" });
    expect(findings().map(({ id, category }) => [id, category])).toEqual(
      FINDINGS.map(({ id, category }) => [id, category]),
    );
    expect(findings()[0]?.attributes).toMatchObject({ port: 22, duplicate: false });
    // Started again over its own write-back, it writes the same.
    const before = findings();
    await hook(readWrite(), { SYNC_MODE: "merge" });
    expect(findings()).toEqual(before);
    expect(tests()).toHaveLength(1);
  });

  test("SCAN_TYPE_MAP is heeded", async () => {
    kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ spec: { scanType: "custom-scanner" }, status: { rawResultType: "custom" } }),
    );
    const { receipt } = await hook(readOnly(), { SCAN_TYPE_MAP: '{"custom-scanner":"Nmap Scan"}' });
    expect(receipt).toMatchObject({ importedAs: "Nmap Scan" });
  });

  test("without status.rawResultFile the address names the raw result", async () => {
    kube.scans.set("pentest/nmap-scanme", scanResource({ status: { rawResultFile: undefined } }));
    expect(await hook(readOnly())).toMatchObject({ receipt: { importedAs: "Nmap Scan" } });
  });

  test("low-privileged mode asks for no users and links no orchestration engine", async () => {
    dojo.state.productTypes.set(1, { ...[...dojo.state.productTypes.values()][0], id: 1 } as never);
    const result = await hook(readOnly(), {
      DEFECTDOJO_APIKEY: dojo.lowPrivilegedApiKey,
      DEFECTDOJO_LOW_PRIVILEGED_MODE: " True ",
    });
    expect(result.outcome).toBe("imported");
    const asked = dojo.state.requests.map(({ url }) => url);
    expect(asked.filter((url) => /\/(users|tool_types|tool_configurations|ci_cd)/.test(url))).toEqual([]);
  });

  test("do-not-import and hook labels that are not selected end well, with nothing done", async () => {
    kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ annotations: { "defectdojo.securecodebox.io/do-not-import": "true" } }),
    );
    expect(await hook(readWrite())).toMatchObject({ outcome: "do-not-import", patched: false });
    kube.scans.set("pentest/nmap-scanme", scanResource({ spec: { hookSelector: { matchLabels: { team: "a" } } } }));
    expect(await hook(readWrite(), { DEFECTDOJO_HOOK_LABELS: "team=b" })).toMatchObject({ outcome: "not-selected" });
    expect(dojo.state.requests).toEqual([]);
    expect(store.requests).toEqual([]);
  });

  test("old variables work or are warned of", async () => {
    await hook(readOnly(), { DEFECTDOJO_IS_DEV: undefined, IS_DEV: "true", DEFECTDOJO_REFETCH_WAIT_SECONDS: "30" });
    const warnings = lines.filter(({ level }) => level === "warn").map(({ message }) => message);
    expect(warnings).toEqual([
      expect.stringContaining("IS_DEV is deprecated"),
      expect.stringContaining("DEFECTDOJO_REFETCH_WAIT_SECONDS is deprecated and ignored"),
    ]);
  });
});

describe("a hook that is started again", () => {
  test("after it died behind the import finds its test", async () => {
    store.fault = ({ method }) =>
      method === "PUT" ? { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : undefined;
    await expect(hook(readWrite())).rejects.toMatchObject({ reason: "storage-forbidden" });
    expect(tests()).toHaveLength(1);
    store.fault = () => undefined;
    expect(await hook(readWrite())).toMatchObject({ outcome: "synced", patched: true });
    expect(tests()).toHaveLength(1);
    expect(posts("/import-scan/")).toBe(1);
  });

  test("after it wrote the findings, with the status left to patch, imports nothing of what it wrote", async () => {
    kube.refuse = ({ method }) => (method === "PATCH" ? 403 : undefined);
    await expect(hook(readWrite())).rejects.toMatchObject({ reason: "cluster-refused" });
    const written = findings();
    kube.refuse = () => undefined;
    expect(await hook(readWrite())).toMatchObject({ outcome: "synced", patched: true });
    expect(tests()).toHaveLength(1);
    expect(posts("/import-scan/")).toBe(1);
    expect(findings()).toEqual(written);
  });

  test("with fresh signatures is the same job; another scan of the same raw result is another", async () => {
    await hook(readOnly());
    await hook(readOnly().map((url) => `${url}&X-Amz-Date=20261120T100000Z`));
    expect(tests()).toHaveLength(1);
    const again = scanResource();
    kube.scans.set("pentest/nmap-scanme", {
      ...again,
      metadata: { ...again.metadata, uid: "11111111-1111-4111-8111-111111111111" },
    });
    await hook(readOnly());
    expect(tests()).toHaveLength(2);
  });

  test("an import without an answer is looked up, not sent again", async () => {
    dojo.state.intercept = ({ method, path, earlier }) =>
      method === "POST" && path === "/import-scan/" && earlier === 0 ? { processThenHangUp: true } : undefined;
    expect(await hook(readWrite())).toMatchObject({ outcome: "synced" });
    expect(tests()).toHaveLength(1);
    expect(posts("/import-scan/")).toBe(1);
  });
});

describe("failures", () => {
  test.each([
    ["GET", 403, "storage-forbidden"],
    ["GET", 404, "findings-missing"],
    ["GET", 500, "storage-unavailable"],
    ["PUT", 403, "storage-forbidden"],
    ["PUT", 500, "storage-unavailable"],
    ["PUT", 503, "storage-unavailable"],
  ] as const)(
    "a %s of the findings that ends in %i is an error that names the address without its signature",
    async (method, status, reason) => {
      store.fault = (request) => (request.method === method && request.path === FOUND ? { status } : undefined);
      const error = await failed(hook(readWrite(), { MAX_FAILURES: "2" }));
      expect(error.reason).toBe(reason);
      expect(error.message).toContain(`${method} ${store.url}${FOUND}: HTTP ${status}`);
      expect(error.message).not.toContain("X-Amz");
      expect(kube.patches()).toEqual([]);
    },
  );

  test("a raw result that is missing or forbidden is an error", async () => {
    store.objects.delete(RAW);
    expect((await failed(hook(readOnly()))).reason).toBe("raw-result-missing");
    store.fault = ({ path }) => (path === RAW ? { status: 403 } : undefined);
    expect((await failed(hook(readOnly()))).message).toContain(`GET ${store.url}${RAW}: HTTP 403`);
    expect(tests()).toHaveLength(0);
  });

  test("an expired signature is named as such", async () => {
    const expired = readOnly().map(
      (url) => `${url.replace(/Signature=\w+/, "Signature=bad")}&X-Amz-Date=20200101T000000Z&X-Amz-Expires=3600`,
    );
    const { message } = await failed(hook(expired));
    expect(message).toContain("SignatureDoesNotMatch");
    expect(message).toContain("the address was signed until 2020-01-01T01:00:00.000Z");
    expect(message).not.toContain("bad");
  });

  test("transient failures of store, DefectDojo and Kubernetes are waited out", async () => {
    const left = { GET: 4, PUT: 2, dojo: 2, kube: 2 };
    store.fault = ({ method }) => (left[method as "GET" | "PUT"]-- > 0 ? { status: 503 } : undefined);
    dojo.state.intercept = ({ path }) => (path === "/import-scan/" && left.dojo-- > 0 ? { status: 503 } : undefined);
    kube.refuse = () => (left.kube-- > 0 ? 500 : undefined);
    expect(await hook(readWrite())).toMatchObject({ outcome: "synced", patched: true });
    expect(tests()).toHaveLength(1);
  });

  test("an upload without an answer is looked at before it is sent again", async () => {
    let lost = 0;
    store.fault = ({ method }) => (method === "PUT" && lost++ === 0 ? "lose-answer" : undefined);
    expect(await hook(readWrite())).toMatchObject({ outcome: "synced" });
    expect(store.requests.filter(({ method }) => method === "PUT")).toHaveLength(1);
    lost = 0;
    put(FOUND, JSON.stringify(FINDINGS));
    store.fault = ({ method }) => (method === "PUT" && lost++ === 0 ? "hang-up" : undefined);
    expect(await hook(readWrite())).toMatchObject({ outcome: "synced" });
    expect(findings()[0]).toMatchObject({ category: "DefectDojo Imported Finding" });
  });

  test("findings that somebody else wrote meanwhile are left alone, and the hook fails", async () => {
    dojo.state.intercept = ({ method, path }) => {
      if (method === "POST" && path === "/import-scan/") put(FOUND, "[]");
      return undefined;
    };
    expect((await failed(hook(readWrite()))).reason).toBe("storage-precondition");
    expect(store.text(FOUND)).toBe("[]");
    expect(kube.patches()).toEqual([]);
  });

  test("DefectDojo's refusal of the key is an error at once", async () => {
    const error = await failed(hook(readOnly(), { DEFECTDOJO_APIKEY: "wrong" }));
    expect(error.reason).toBe("dojo-forbidden");
    expect(error.message).not.toContain("wrong");
  });

  test("a DefectDojo that stays away is given up after HOOK_TIMEOUT_SECONDS", async () => {
    dojo.state.intercept = () => ({ status: 502 });
    const clock = fastClock();
    const start = clock.now();
    const error = await failed(hook(readOnly(), { HOOK_TIMEOUT_SECONDS: "60", MAX_FAILURES: "100" }, { clock }));
    expect(error.reason).toBe("dojo-unavailable");
    expect(clock.now() - start).toBeLessThan(61_000);
  });

  test("an import that goes on longer than the time that is left fails as unknown, and the next try waits for it", async () => {
    const clock = fastClock();
    dojo.state.intercept = ({ method, path }) =>
      method === "POST" && path === "/import-scan/" ? { hangUp: true } : undefined;
    const error = await failed(
      hook(readOnly(), { HOOK_TIMEOUT_SECONDS: "30", IMPORT_SETTLE_SECONDS: "60" }, { clock }),
    );
    expect(error).toMatchObject({ reason: "import-unknown", message: expect.stringContaining("HOOK_TIMEOUT_SECONDS") });
  });

  test.each([
    [404, "cluster-refused"],
    [403, "cluster-refused"],
    [500, "cluster-unavailable"],
  ] as const)("a Kubernetes API that answers %i to the Scan is an error that names it", async (status, reason) => {
    kube.refuse = () => status;
    const error = await failed(hook(readOnly(), { MAX_FAILURES: "2" }));
    expect(error.reason).toBe(reason);
    expect(error.message).toContain(`GET Scan pentest/nmap-scanme: HTTP ${status}`);
    expect(error.message).not.toContain("kube-token");
    expect(store.requests).toEqual([]);
  });

  test("a Scan that is none is an error that names the field", async () => {
    kube.scans.set("pentest/nmap-scanme", { metadata: {} });
    expect((await failed(hook(readOnly()))).message).toMatch(/metadata\.name/);
  });
});

describe("where the Scan comes from", () => {
  test.each(["json", "yaml"])("--scan FILE (%s) needs no cluster, and nothing is patched", async (format) => {
    const path = join(folder, `scan.${format}`);
    const { parse: _, ...yaml } = await import("yaml");
    writeFileSync(path, format === "json" ? JSON.stringify(scanResource()) : yaml.stringify(scanResource()));
    const result = await hook(
      readWrite(),
      { KUBECONFIG: "/nowhere", SCAN_NAME: undefined, DEFECTDOJO_IS_DEV: undefined },
      { scan: path },
    );
    expect(result).toMatchObject({ outcome: "synced", patched: false, scan: { uid: UID } });
    expect(kube.requests).toEqual([]);
  });

  test("a file that is not there or no Scan is an error", async () => {
    expect((await failed(hook(readOnly(), {}, { scan: join(folder, "none.json") }))).reason).toBe("sidecar-invalid");
    writeFileSync(join(folder, "bad.json"), "{");
    expect((await failed(hook(readOnly(), {}, { scan: join(folder, "bad.json") }))).reason).toBe("sidecar-invalid");
  });

  test("outside of a cluster and without DEFECTDOJO_IS_DEV it says what to do", async () => {
    const error = await failed(hook(readOnly(), { DEFECTDOJO_IS_DEV: undefined }));
    expect(error).toMatchObject({
      reason: "config-invalid",
      message: expect.stringContaining("KUBERNETES_SERVICE_HOST"),
    });
    expect((await failed(hook(readOnly(), { SCAN_NAME: undefined }))).message).toContain("SCAN_NAME");
  });

  test("in a cluster it uses the pod's service account, over verified TLS", async () => {
    const tls = selfSigned();
    if (tls === undefined) return process.stderr.write("\n*** SKIPPED: the in-cluster test, there is no openssl ***\n");
    const cluster = await startKubeServer(tls);
    const account = join(folder, "var/run/secrets/kubernetes.io/serviceaccount");
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, "token"), "pod-token");
    writeFileSync(join(account, "ca.crt"), tls.cert);
    writeFileSync(join(account, "namespace"), "pentest");
    cluster.scans.set("pentest/nmap-scanme", scanResource());
    const variables = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(cluster.port) };
    Object.assign(process.env, variables);
    try {
      const result = await hook(readWrite(), { ...variables, DEFECTDOJO_IS_DEV: "false" }, { rootFolder: folder });
      expect(result).toMatchObject({ outcome: "synced", patched: true });
      expect(cluster.requests.map(({ authorization }) => authorization)).toEqual([
        "Bearer pod-token",
        "Bearer pod-token",
      ]);
      expect(kube.requests).toEqual([]);
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
      await cluster.close();
    }
  });
});

describe("the command line", () => {
  test("ends with 0 and one line on stdout; the operator gives nothing but addresses", async () => {
    const { code, stdout, stderr } = await cli(readWrite());
    expect(stderr).not.toContain("X-Amz-Signature");
    expect({ code, lines: stdout.trimEnd().split("\n") }).toEqual({
      code: 0,
      lines: [
        expect.stringMatching(
          /^pentest\/nmap-scanme: 3 findings imported as Nmap Scan into .*; the Scan's status patched$/,
        ),
      ],
    });
    expect(kube.patches()).toHaveLength(1);
  });

  test("--json prints the receipt", async () => {
    const { code, stdout } = await cli(["hook", "--json", ...readOnly()]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "imported", receipt: { findings: { count: 3 } } });
  });

  test.each([0, 1, 3, 5])("%i addresses are a wrong number: usage and exit 1", async (count) => {
    const { code, stdout, stderr } = await cli(["hook", ...Array.from({ length: count }, () => readOnly()[0] ?? "")]);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain(`two or four addresses are needed, not ${count}`);
    expect(stderr).toContain(
      "Usage: dojo-relay hook [options] RAW_URL FINDINGS_URL [RAW_UPLOAD_URL FINDINGS_UPLOAD_URL]",
    );
  });

  test("a failed upload ends with 1 and names the address without its query", async () => {
    store.fault = ({ method }) => (method === "PUT" ? { status: 403 } : undefined);
    const { code, stdout, stderr } = await cli(readWrite());
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(`PUT ${store.url}${FOUND}: HTTP 403`);
    expect(stderr).not.toContain("X-Amz-Signature");
  });

  test("something that is no address ends with 1 and is not printed", async () => {
    const { code, stderr } = await cli(["hook", "ftp://store/x?secret", "http://127.0.0.1:1/findings.json"]);
    expect(code).toBe(1);
    expect(stderr).toContain("RAW_URL is not an http(s) address");
    expect(stderr).not.toContain("secret");
  });

  test("proxies are used by the usual variables", async () => {
    const before = store.requests.length;
    const { code } = await cli(
      readOnly().map((url) => url.replace(store.url, "http://store.invalid")),
      {
        HTTP_PROXY: store.url,
        NO_PROXY: "127.0.0.1",
      },
    );
    // The store stands in for the proxy: it answers absolute addresses as it answers its own.
    expect(code).toBe(0);
    expect(store.requests.length).toBeGreaterThan(before);
  });
});

test("where /tmp cannot be written, reports are held in another folder; where none can, it says what to mount", async () => {
  const { TMPDIR } = process.env;
  try {
    process.env.TMPDIR = "/proc/nowhere";
    const made = await makeScratch(log, folder);
    expect(made.startsWith(folder)).toBe(true);
    expect(tmpdir()).toBe(folder);
    process.env.TMPDIR = "/proc/nowhere";
    await expect(makeScratch(log, "/proc/elsewhere")).rejects.toThrow(/mount an emptyDir at \/tmp/);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
});

test("nothing is left behind in the temporary folder", async () => {
  const { TMPDIR } = process.env;
  process.env.TMPDIR = folder;
  try {
    await hook(readWrite());
    store.fault = () => ({ status: 403 });
    await failed(hook(readWrite()));
    expect(readdirSync(folder)).toEqual(["kubeconfig"]);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
});

// --- utils ---

const log: Log = {
  debug: () => undefined,
  info: (message, fields) => lines.push({ level: "info", message, fields }),
  warn: (message, fields) => lines.push({ level: "warn", message, fields }),
  error: (message, fields) => lines.push({ level: "error", message, fields }),
};

function put(path: string, text: string): void {
  store.objects.set(path, { body: Buffer.from(text), contentType: undefined });
}

const readOnly = () => [store.sign("GET", RAW), store.sign("GET", FOUND)];
const readWrite = () => [...readOnly(), store.sign("PUT", RAW), store.sign("PUT", FOUND)];

function environment(more: Record<string, string | undefined> = {}): Record<string, string | undefined> {
  return {
    DEFECTDOJO_URL: dojo.url,
    DEFECTDOJO_APIKEY: dojo.apiKey,
    SCAN_NAME: "nmap-scanme",
    NAMESPACE: "pentest",
    DEFECTDOJO_IS_DEV: "true",
    KUBECONFIG: join(folder, "kubeconfig"),
    POLL_SECONDS: "0.05",
    DEDUPLICATION_QUIET_SECONDS: "0",
    IMPORT_SETTLE_SECONDS: "1",
    ...more,
  };
}

async function hook(
  urls: readonly string[],
  env: Record<string, string | undefined> = {},
  more: Partial<HookRun> = {},
): Promise<HookResult> {
  const { KUBECONFIG } = process.env;
  const full = environment(env);
  // The kubeconfig's own client reads the process' environment.
  process.env.KUBECONFIG = full.KUBECONFIG;
  try {
    return await runHook({ urls, env: full, log, clock: fastClock(), ...more });
  } finally {
    if (KUBECONFIG === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = KUBECONFIG;
  }
}

/** Sleeping takes no time, and is time that passes. */
function fastClock(): Clock {
  let slept = 0;
  return {
    now: () => systemClock.now() + slept,
    sleep: async (ms) => {
      slept += ms;
      await systemClock.sleep(1);
    },
  };
}

async function failed(run: Promise<unknown>): Promise<RelayError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RelayError)) throw new Error(`a RelayError was expected, not ${String(error)}`);
  return error;
}

async function cli(args: readonly string[], env: Record<string, string> = {}) {
  const main = new URL("../../cli/dojo-relay.mjs", import.meta.url).pathname;
  const { PATH } = process.env;
  const options = { env: { PATH, ...environment(), ...env } as NodeJS.ProcessEnv };
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const tests = () => [...dojo.state.tests.values()];
const findings = () => JSON.parse(store.text(FOUND)) as Record<string, unknown>[];
const posts = (path: string) =>
  dojo.state.requests.filter(({ method, url }) => method === "POST" && url.startsWith(`/api/v2${path}`)).length;

function selfSigned(): { key: string; cert: string } | undefined {
  try {
    const made = execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "-",
        "-days",
        "2",
        "-subj",
        "/CN=kube",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    const cert = made.slice(made.indexOf("-----BEGIN CERTIFICATE"));
    return { key: made.slice(0, made.indexOf("-----BEGIN CERTIFICATE")), cert };
  } catch {
    return undefined;
  }
}
