import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HookResult, type HookRun, runHook } from "../../cli/hook/run-hook.ts";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { RelayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";
import { type Clock, systemClock } from "../../lib/util/clock.ts";
import { FINDINGS, FOLDER, NMAP_XML, scanResource } from "./hook-scan.ts";
import {
  type KubeServer,
  kubeconfig,
  type PresignedServer,
  startKubeServer,
  startPresignedServer,
} from "./hook-servers.ts";

export const RAW = `${FOLDER}/nmap-results.xml`;
export const FOUND = `${FOLDER}/findings.json`;

type Variables = Readonly<Record<string, string | undefined>>;

/** Everything a hook reaches: a DefectDojo, a store with one scan's results behind presigned URLs, a Kubernetes API with its Scan. */
export interface HookWorld {
  readonly dojo: Standin;
  readonly store: PresignedServer;
  readonly kube: KubeServer;
  /** The environment with a kubeconfig for the API. */
  readonly folder: string;
  readonly log: Log;
  readonly lines: { level: string; message: string }[];
  put(path: string, text: string): void;
  readOnly(): string[];
  readWrite(): string[];
  hook(urls: readonly string[], env?: Variables, more?: Partial<HookRun>): Promise<HookResult>;
  /** Runs the command line in its own process. */
  cli(args: readonly string[], env?: Variables): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Tests in DefectDojo. */
  tests(): unknown[];
  /** The current objects in the store. */
  findings(): Record<string, unknown>[];
  /** The number of requests to that path in DefectDojo. */
  posts(path: string): number;
  stop(): Promise<void>;
}

export async function startHookWorld(): Promise<HookWorld> {
  const [dojo, store, kube] = await Promise.all([startStandin(), startPresignedServer(), startKubeServer()]);
  const folder = mkdtempSync(join(tmpdir(), "hook-test-"));
  const lines: { level: string; message: string }[] = [];
  const note = (level: string) => (message: string) => void lines.push({ level, message });
  const log: Log = { debug: () => undefined, info: note("info"), warn: note("warn"), error: note("error") };
  const put = (path: string, text: string) =>
    void store.objects.set(path, { body: Buffer.from(text), contentType: undefined });
  const readOnly = () => [store.sign("GET", RAW), store.sign("GET", FOUND)];
  const environment = (more: Variables = {}): Variables => ({
    DEFECTDOJO_URL: dojo.url,
    DEFECTDOJO_APIKEY: dojo.apiKey,
    SCAN_NAME: "nmap-scanme",
    NAMESPACE: "pentest",
    DEFECTDOJO_IS_DEV: "true",
    KUBECONFIG: join(folder, "kubeconfig"),
    POLL_SECONDS: "0.05",
    DEDUPLICATION_QUIET_SECONDS: "0",
    IMPORT_REFUSAL_SECONDS: "0",
    IMPORT_SETTLE_SECONDS: "1",
    ...more,
  });
  put(RAW, NMAP_XML);
  put(FOUND, JSON.stringify(FINDINGS));
  kube.scans.set("pentest/nmap-scanme", scanResource());
  writeFileSync(join(folder, "kubeconfig"), kubeconfig(kube.url));
  return {
    dojo,
    store,
    kube,
    folder,
    log,
    lines,
    put,
    readOnly,
    readWrite: () => [...readOnly(), store.sign("PUT", RAW), store.sign("PUT", FOUND)],
    hook: async (urls, variables, more) => {
      const env = environment(variables);
      // The kubeconfig's own client reads the process' environment.
      return await withVariable("KUBECONFIG", env.KUBECONFIG, () =>
        runHook({ urls, env, log, clock: fastClock(), ...more }),
      );
    },
    cli: async (args, env) => {
      const main = new URL("../../cli/dojo-relay.mjs", import.meta.url).pathname;
      const { PATH } = process.env;
      const options = { env: { PATH, ...environment(env) } as NodeJS.ProcessEnv };
      return await new Promise((resolve) => {
        execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      });
    },
    tests: () => [...dojo.state.tests.values()],
    findings: () => JSON.parse(store.text(FOUND)) as Record<string, unknown>[],
    posts: (path) =>
      dojo.state.requests.filter(({ method, url }) => method === "POST" && url.startsWith(`/api/v2${path}`)).length,
    stop: async () => {
      await Promise.all([dojo.close(), store.close(), kube.close()]);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Sleep takes no real time but advances the clock. */
export function fastClock(): Clock {
  let slept = 0;
  return {
    now: () => systemClock.now() + slept,
    sleep: async (ms) => {
      slept += ms;
      await systemClock.sleep(1);
    },
  };
}

/** The error with which a hook must end. */
export async function failed(run: Promise<unknown>): Promise<RelayError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RelayError)) throw new Error(`a RelayError was expected, not ${String(error)}`);
  return error;
}

/** Runs with an environment variable of this process set, and restores it. */
export async function withVariable<T>(name: string, value: string | undefined, run: () => Promise<T>): Promise<T> {
  const before = process.env[name];
  const set = (now: string | undefined) => {
    if (now === undefined) delete process.env[name];
    else process.env[name] = now;
  };
  set(value);
  try {
    return await run();
  } finally {
    set(before);
  }
}

/** A certificate for 127.0.0.1, or undefined without openssl. */
export function selfSigned(): { key: string; cert: string } | undefined {
  const request =
    "req -x509 -newkey rsa:2048 -nodes -keyout - -days 2 -subj /CN=kube -addext subjectAltName=IP:127.0.0.1";
  try {
    const made = execFileSync("openssl", request.split(" "), { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const at = made.indexOf("-----BEGIN CERTIFICATE");
    return { key: made.slice(0, at), cert: made.slice(at) };
  } catch {
    return undefined;
  }
}
