import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FINDINGS } from "./hook-scan.ts";
import { FOUND, failed, fastClock, type HookWorld, RAW, startHookWorld, withVariable } from "./hook-world.ts";

let world: HookWorld;

beforeEach(async () => {
  world = await startHookWorld();
});

afterEach(() => world.stop());

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
      world.store.fault = (request) => (request.method === method && request.path === FOUND ? { status } : undefined);
      const error = await failed(world.hook(world.readWrite(), { MAX_FAILURES: "2" }));
      expect(error.reason).toBe(reason);
      expect(error.message).toContain(`${method} ${world.store.url}${FOUND}: HTTP ${status}`);
      expect(error.message).not.toContain("X-Amz");
      expect(world.kube.patches()).toEqual([]);
    },
  );

  test("a raw result that is missing or forbidden is an error", async () => {
    world.store.objects.delete(RAW);
    expect((await failed(world.hook(world.readOnly()))).reason).toBe("raw-result-missing");
    world.store.fault = ({ path }) => (path === RAW ? { status: 403 } : undefined);
    expect((await failed(world.hook(world.readOnly()))).message).toContain(`GET ${world.store.url}${RAW}: HTTP 403`);
    expect(world.tests()).toHaveLength(0);
  });

  test("reports an expired signature", async () => {
    const expired = world
      .readOnly()
      .map((url) => `${url.replace(/Signature=\w+/, "Signature=bad")}&X-Amz-Date=20200101T000000Z&X-Amz-Expires=3600`);
    const { message } = await failed(world.hook(expired));
    expect(message).toContain("SignatureDoesNotMatch");
    expect(message).toContain("the URL was signed until 2020-01-01T01:00:00.000Z");
    expect(message).not.toContain("bad");
  });

  test("retries transient failures of store, DefectDojo and Kubernetes", async () => {
    const left = { GET: 4, PUT: 2, dojo: 2, kube: 2 };
    world.store.fault = ({ method }) => (left[method as "GET" | "PUT"]-- > 0 ? { status: 503 } : undefined);
    world.dojo.state.intercept = ({ path }) =>
      path === "/import-scan/" && left.dojo-- > 0 ? { status: 503 } : undefined;
    world.kube.refuse = () => (left.kube-- > 0 ? 500 : undefined);
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "synced", patched: true });
    expect(world.tests()).toHaveLength(1);
  });

  test("checks an upload without a response before sending it again", async () => {
    let lost = 0;
    world.store.fault = ({ method }) => (method === "PUT" && lost++ === 0 ? "lose-answer" : undefined);
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "synced" });
    expect(world.store.requests.filter(({ method }) => method === "PUT")).toHaveLength(1);
    lost = 0;
    world.put(FOUND, JSON.stringify(FINDINGS));
    world.store.fault = ({ method }) => (method === "PUT" && lost++ === 0 ? "hang-up" : undefined);
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "synced" });
    expect(world.findings()[0]).toMatchObject({ category: "DefectDojo Imported Finding" });
  });

  test("keeps findings that somebody else wrote meanwhile, and ends: a restart would overwrite them", async () => {
    world.dojo.state.intercept = ({ method, path }) => {
      if (method === "POST" && path === "/import-scan/") world.put(FOUND, "[]");
      return undefined;
    };
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "superseded", patched: false });
    expect(world.store.text(FOUND)).toBe("[]");
    expect(world.kube.patches()).toEqual([]);
  });

  test("fails at once if DefectDojo rejects the key", async () => {
    const error = await failed(world.hook(world.readOnly(), { DEFECTDOJO_APIKEY: "wrong" }));
    expect(error.reason).toBe("dojo-forbidden");
    expect(error.message).not.toContain("wrong");
  });

  test("gives up on an unavailable DefectDojo after HOOK_TIMEOUT_SECONDS", async () => {
    world.dojo.state.intercept = () => ({ status: 502 });
    const clock = fastClock();
    const start = clock.now();
    const error = await failed(
      world.hook(world.readOnly(), { HOOK_TIMEOUT_SECONDS: "60", MAX_FAILURES: "100" }, { clock }),
    );
    expect(error.reason).toBe("dojo-unavailable");
    expect(clock.now() - start).toBeLessThan(75_000);
  });

  test("an import that exceeds the remaining time fails with an unknown outcome, and the next try waits for it", async () => {
    const clock = fastClock();
    world.dojo.state.intercept = ({ method, path }) =>
      method === "POST" && path === "/import-scan/" ? { hangUp: true } : undefined;
    const error = await failed(
      world.hook(world.readOnly(), { HOOK_TIMEOUT_SECONDS: "30", IMPORT_SETTLE_SECONDS: "60" }, { clock }),
    );
    expect(error).toMatchObject({ reason: "import-unknown", message: expect.stringContaining("HOOK_TIMEOUT_SECONDS") });
  });

  test.each([
    [404, "cluster-refused"],
    [403, "cluster-refused"],
    [500, "cluster-unavailable"],
  ] as const)("a Kubernetes API that answers %i to the Scan is an error that names it", async (status, reason) => {
    world.kube.refuse = () => status;
    const error = await failed(world.hook(world.readOnly(), { MAX_FAILURES: "2" }));
    expect(error.reason).toBe(reason);
    expect(error.message).toContain(`GET Scan pentest/nmap-scanme: HTTP ${status}`);
    expect(error.message).not.toContain("kube-token");
    expect(world.store.requests).toEqual([]);
  });

  test("an invalid Scan is an error that names the field", async () => {
    world.kube.scans.set("pentest/nmap-scanme", { metadata: {} });
    expect((await failed(world.hook(world.readOnly()))).message).toMatch(/metadata\.name/);
  });
});

test("leaves nothing behind in the temporary folder", async () => {
  await withVariable("TMPDIR", world.folder, async () => {
    await world.hook(world.readWrite());
    world.store.fault = () => ({ status: 403 });
    await failed(world.hook(world.readWrite()));
    expect(readdirSync(world.folder)).toEqual(["kubeconfig"]);
  });
});
