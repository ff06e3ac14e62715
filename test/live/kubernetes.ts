import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import https from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Running, reservePort, startProgram, temporaryFolder, untilReady } from "./processes.ts";
import { whereIs } from "./servers.ts";

/** The Kubernetes API for custom resources, in processes of its own: no pods, no core API, no RBAC. */
export interface KubernetesApi {
  /** Path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  request(
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<{ status: number; body: unknown }>;
  /** Kills the API server and starts it again with its data; etcd runs on. */
  restart(whileDown?: () => Promise<void>): Promise<void>;
  /** Forgets all versions but the present one, so that watches from earlier ones end with 410. */
  compact(): Promise<void>;
  /** How often it was asked, by verb and resource, the tests' own requests left out. */
  requests(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

const OWN_AGENT = "live-tests";

/** Only what custom resources need: the others ask for objects of the core API, which is not there. */
const OFF =
  "NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,ValidatingAdmissionPolicy,MutatingAdmissionPolicy";

export async function startKubernetes(): Promise<KubernetesApi> {
  const folder = await temporaryFolder("kubernetes");
  const at = (name: string) => join(folder.path, name);
  const ports = [await reservePort(), await reservePort(), await reservePort()] as const;
  const [port, etcdPort, peerPort] = ports.map(({ number }) => number);
  makeCertificates(folder.path);
  const server = `https://127.0.0.1:${port}`;
  await writeFile(at("kubeconfig"), kubeconfigOf(server, folder.path));
  await writeFile(at("audit.yaml"), AUDIT_POLICY);
  await mkdir(at("etcd"), { mode: 0o700 });
  for (const { release } of ports) await release();

  const bin = whereIs("kubernetes") ?? "";
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const etcd = await startProgram(
    join(bin, "etcd"),
    [
      ...["--data-dir", at("etcd"), "--unsafe-no-fsync", "--listen-client-urls", etcdUrl],
      ...["--advertise-client-urls", etcdUrl, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", `default=${peer}`],
    ],
    {},
  );
  const started: Running[] = [etcd];
  const stop = async () => {
    for (const program of started.toReversed()) await program.end("SIGKILL");
    await folder[Symbol.asyncDispose]();
  };
  const tls = {
    ca: await readFile(at("ca.crt")),
    cert: await readFile(at("client.crt")),
    key: await readFile(at("client.key")),
  };
  const agent = new https.Agent({ ...tls, keepAlive: true });
  const request = async (method: string, path: string, body?: unknown, contentType = "application/json") =>
    await ask(agent, { method, url: `${server}${path}`, contentType }, body);
  const startApi = async () => {
    const program = await startProgram(join(bin, "apiserver"), apiArguments(at, etcdUrl, port ?? 0), {});
    started[1] = program;
    // Its own readiness waits for the core API, which is not there.
    await ready(program, () => request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"));
  };
  try {
    await untilReady("etcd", etcd, `${etcdUrl}/health`);
    await startApi();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    kubeconfig: at("kubeconfig"),
    request,
    restart: async (whileDown) => {
      await started[1]?.end("SIGKILL");
      await whileDown?.();
      await startApi();
    },
    compact: () => compact(etcdUrl),
    requests: async () => countRequests(await readFile(at("audit.log"), "utf8")),
    stop: async () => {
      agent.destroy();
      await stop();
    },
  };
}

// --- utils ---

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{ level: Metadata }]
`;

function apiArguments(at: (name: string) => string, etcdUrl: string, port: number): string[] {
  const kubeconfig = at("kubeconfig");
  return [
    ...["--etcd-servers", etcdUrl, "--secure-port", String(port), "--bind-address", "127.0.0.1"],
    ...["--tls-cert-file", at("server.crt"), "--tls-private-key-file", at("server.key")],
    ...["--client-ca-file", at("ca.crt"), "--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig],
    ...["--authorization-kubeconfig", kubeconfig, "--authentication-skip-lookup", "--disable-admission-plugins", OFF],
    ...["--audit-policy-file", at("audit.yaml"), "--audit-log-path", at("audit.log")],
  ];
}

function makeCertificates(folder: string): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-days", "2", "-subj", "/CN=live-ca", "-keyout", "ca.key", "-out", "ca.crt");
  for (const [name, subject] of [
    ["server", "/CN=127.0.0.1"],
    ["client", "/O=system:masters/CN=live-tests"],
  ] as const) {
    openssl(
      ...["req", "-x509", ...key, "-days", "2", "-subj", subject, "-CA", "ca.crt", "-CAkey", "ca.key"],
      ...["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-keyout", `${name}.key`, "-out", `${name}.crt`],
    );
  }
}

function kubeconfigOf(server: string, folder: string): string {
  const at = (name: string) => join(folder, name);
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "live",
    clusters: [{ name: "live", cluster: { server, "certificate-authority": at("ca.crt") } }],
    users: [{ name: "live", user: { "client-certificate": at("client.crt"), "client-key": at("client.key") } }],
    contexts: [{ name: "live", context: { cluster: "live", user: "live" } }],
  });
}

async function ask(
  agent: https.Agent,
  { method, url, contentType }: { method: string; url: string; contentType: string },
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  return await new Promise((resolve, reject) => {
    const headers = { "content-type": contentType, "user-agent": OWN_AGENT };
    const request = https.request(url, { method, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, body: text.startsWith("{") ? JSON.parse(text) : text });
      });
    });
    request.once("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function ready(program: Running, probe: () => Promise<{ status: number }>): Promise<void> {
  for (;;) {
    if (program.exit() !== undefined) throw new Error(`the API server ended before it was ready:\n${program.output()}`);
    const answer = await probe().catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(200);
  }
}

/** By etcd's gateway of JSON: the present revision, and a compaction up to it. */
async function compact(etcdUrl: string): Promise<void> {
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${etcdUrl}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { header: { revision: string } };
  };
  const { header } = await post("kv/range", { key: Buffer.from("/").toString("base64") });
  await post("kv/compaction", { revision: header.revision, physical: true });
}

function countRequests(log: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of log.split("\n")) {
    const entry = parsed(line);
    if (entry === undefined) continue;
    const { userAgent, verb, objectRef } = entry;
    // The API server watches its own definitions.
    if (userAgent === OWN_AGENT || userAgent?.startsWith("apiserver/")) continue;
    const resource = [objectRef?.resource, objectRef?.subresource].filter((part) => part !== undefined).join("/");
    const name = `${verb} ${resource}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

interface AuditEntry {
  readonly userAgent?: string;
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
}

/** A line of the log, unless it is being written or was cut off by a kill. */
function parsed(line: string): AuditEntry | undefined {
  try {
    return JSON.parse(line) as AuditEntry;
  } catch {
    return undefined;
  }
}
