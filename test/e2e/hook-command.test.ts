import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeScratch } from "../../cli/hook/scratch.ts";
import { scanResource, UID } from "./hook-scan.ts";
import { startKubeServer } from "./hook-servers.ts";
import { FOUND, failed, type HookWorld, selfSigned, startHookWorld, withVariable } from "./hook-world.ts";

let world: HookWorld;

beforeEach(async () => {
  world = await startHookWorld();
});

afterEach(() => world.stop());

describe("the source of the Scan", () => {
  test.each(["json", "yaml"])("--scan FILE (%s) needs no cluster and patches nothing", async (format) => {
    const path = join(world.folder, `scan.${format}`);
    const { parse: _, ...yaml } = await import("yaml");
    writeFileSync(path, format === "json" ? JSON.stringify(scanResource()) : yaml.stringify(scanResource()));
    const result = await world.hook(
      world.readWrite(),
      { KUBECONFIG: "/nowhere", SCAN_NAME: undefined, DEFECTDOJO_IS_DEV: undefined },
      { scan: path },
    );
    expect(result).toMatchObject({ outcome: "synced", patched: false, scan: { uid: UID } });
    expect(world.kube.requests).toEqual([]);
  });

  test("a missing file or one without a Scan is an error", async () => {
    expect((await failed(world.hook(world.readOnly(), {}, { scan: join(world.folder, "none.json") }))).reason).toBe(
      "sidecar-invalid",
    );
    writeFileSync(join(world.folder, "bad.json"), "{");
    expect((await failed(world.hook(world.readOnly(), {}, { scan: join(world.folder, "bad.json") }))).reason).toBe(
      "sidecar-invalid",
    );
  });

  test("explains what to do outside of a cluster without DEFECTDOJO_IS_DEV", async () => {
    const error = await failed(world.hook(world.readOnly(), { DEFECTDOJO_IS_DEV: undefined }));
    expect(error).toMatchObject({
      reason: "config-invalid",
      message: expect.stringContaining("KUBERNETES_SERVICE_HOST"),
    });
    expect((await failed(world.hook(world.readOnly(), { SCAN_NAME: undefined }))).message).toContain("SCAN_NAME");
  });

  test("uses the pod's service account in a cluster, over verified TLS", async () => {
    const tls = selfSigned();
    if (tls === undefined) return process.stderr.write("\n*** SKIPPED: the in-cluster test, there is no openssl ***\n");
    const cluster = await startKubeServer(tls);
    const account = join(world.folder, "var/run/secrets/kubernetes.io/serviceaccount");
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, "token"), "pod-token");
    writeFileSync(join(account, "ca.crt"), tls.cert);
    writeFileSync(join(account, "namespace"), "pentest");
    cluster.scans.set("pentest/nmap-scanme", scanResource());
    const variables = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(cluster.port) };
    Object.assign(process.env, variables);
    try {
      const result = await world.hook(
        world.readWrite(),
        { ...variables, DEFECTDOJO_IS_DEV: "false" },
        { rootFolder: world.folder },
      );
      expect(result).toMatchObject({ outcome: "synced", patched: true });
      expect(cluster.requests.map(({ authorization }) => authorization)).toEqual([
        "Bearer pod-token",
        "Bearer pod-token",
      ]);
      expect(world.kube.requests).toEqual([]);
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
      await cluster.close();
    }
  });
});

describe("the command line", () => {
  test("exits with 0 and prints one line; the operator passes only URLs", async () => {
    const { code, stdout, stderr } = await world.cli(world.readWrite());
    expect(stderr).not.toContain("X-Amz-Signature");
    expect({ code, lines: stdout.trimEnd().split("\n") }).toEqual({
      code: 0,
      lines: [
        expect.stringMatching(
          /^pentest\/nmap-scanme: 3 findings imported as Nmap Scan into .*; the Scan's status patched$/,
        ),
      ],
    });
    expect(world.kube.patches()).toHaveLength(1);
  });

  test("--json prints the receipt", async () => {
    const { code, stdout } = await world.cli(["hook", "--json", ...world.readOnly()]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "imported", receipt: { findings: { count: 3 } } });
  });

  test.each([0, 1, 3, 5])("%i URLs are a wrong number: usage and exit 1", async (count) => {
    const { code, stdout, stderr } = await world.cli([
      "hook",
      ...Array.from({ length: count }, () => world.readOnly()[0] ?? ""),
    ]);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain(`two or four URLs are needed, not ${count}`);
    expect(stderr).toContain(
      "Usage: dojo-relay hook [options] RAW_URL FINDINGS_URL [RAW_UPLOAD_URL FINDINGS_UPLOAD_URL]",
    );
  });

  test("a failed upload exits with 1 and names the URL without its query", async () => {
    world.store.fault = ({ method }) => (method === "PUT" ? { status: 403 } : undefined);
    const { code, stdout, stderr } = await world.cli(world.readWrite());
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(`PUT ${world.store.url}${FOUND}: HTTP 403`);
    expect(stderr).not.toContain("X-Amz-Signature");
  });

  test("an invalid URL exits with 1 and is not printed", async () => {
    const { code, stderr } = await world.cli(["hook", "ftp://store/x?secret", "http://127.0.0.1:1/findings.json"]);
    expect(code).toBe(1);
    expect(stderr).toContain("RAW_URL is not an http(s) URL");
    expect(stderr).not.toContain("secret");
  });

  test("uses proxies from the usual variables", async () => {
    const before = world.store.requests.length;
    const { code } = await world.cli(
      world.readOnly().map((url) => url.replace(world.store.url, "http://world.store.invalid")),
      {
        HTTP_PROXY: world.store.url,
        NO_PROXY: "127.0.0.1",
      },
    );
    // The store acts as the proxy: it treats absolute URLs like its own paths.
    expect(code).toBe(0);
    expect(world.store.requests.length).toBeGreaterThan(before);
  });
});

test("uses another folder if /tmp is read-only, and says what to mount if none is writable", async () => {
  await withVariable("TMPDIR", "/proc/nowhere", async () => {
    const made = await makeScratch(world.log, world.folder);
    expect(made.startsWith(world.folder)).toBe(true);
    expect(tmpdir()).toBe(world.folder);
    process.env.TMPDIR = "/proc/nowhere";
    await expect(makeScratch(world.log, "/proc/elsewhere")).rejects.toThrow(/mount an emptyDir at \/tmp/);
  });
});
