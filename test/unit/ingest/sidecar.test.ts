import { describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { readSidecar, type SidecarSettings } from "../../../lib/ingest/sidecar.ts";
import { sibling } from "../../../lib/model/object-keys.ts";
import type { FoundScan, ScanSource } from "../../../lib/ports/scan-source.ts";
import { aSidecar, FINDINGS } from "../../helpers/factories.ts";
import { type MemoryStorage, memoryStorage } from "../../helpers/memory-storage.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const SETTINGS: SidecarSettings = { sidecarName: "scan.json", findingsName: "findings.json", maxSidecarBytes: 1_024 };
const YAML = `
apiVersion: execution.securecodebox.io/v1
kind: Scan
metadata:
  name: nmap-example
  namespace: security
  creationTimestamp: 2026-11-20T10:00:00Z
  annotations:
    defectdojo.securecodebox.io/engagement-version: "1.10"
spec:
  scanType: nmap
  parameters: ["-p", "22"]
`;
const read = (objects: Record<string, string>, settings: Partial<SidecarSettings> = {}, storage = memoryStorage()) => {
  for (const [name, content] of Object.entries(objects)) storage.put(sibling(FINDINGS, name), content);
  return readSidecar(storage, FINDINGS, { ...SETTINGS, ...settings });
};

describe("the sidecar", () => {
  it("is scan.json beside the findings", async () => {
    expect(await read({ "scan.json": JSON.stringify(aSidecar()) })).toMatchObject({ name: "nmap-example" });
  });

  it("may begin with a byte order mark", async () => {
    expect(await read({ "scan.json": `\ufeff${JSON.stringify(aSidecar())}` })).toMatchObject({ name: "nmap-example" });
    expect(await read({ "scan.yaml": `\ufeff${YAML}` })).toMatchObject({ name: "nmap-example" });
  });

  it("is scan.yaml where there is no scan.json", async () => {
    expect(await read({ "scan.yaml": YAML })).toEqual({
      name: "nmap-example",
      namespace: "security",
      scanType: "nmap",
      parameters: ["-p", "22"],
      annotations: { "engagement-version": "1.10" },
      createdAt: "2026-11-20T10:00:00Z",
    });
  });

  it("is scan.json where both are there", async () => {
    expect(await read({ "scan.json": JSON.stringify(aSidecar()), "scan.yaml": "x" })).toMatchObject({
      scanType: "nmap",
    });
  });

  it.each([
    ["resource.json", JSON.stringify(aSidecar())],
    ["resource.yml", YAML],
    ["resource.YAML", YAML],
  ])("is %s where SIDECAR_NAME says so, and nothing else then", async (sidecarName, content) => {
    expect(await read({ [sidecarName]: content }, { sidecarName })).toMatchObject({ name: "nmap-example" });
    const error = await relayErrorBy(() => read({ "scan.yaml": YAML }, { sidecarName }));
    expect(error.object).toBe(`s3://securecodebox/scan-abc/${sidecarName}`);
  });

  it("that is missing may still come: the error names the object looked for", async () => {
    const error = await relayErrorBy(() => read({}));
    expect(error).toMatchObject({
      reason: "sidecar-missing",
      errorClass: "transient",
      object: "s3://securecodebox/scan-abc/scan.json",
    });
    expect(error.message).toContain("s3://securecodebox/scan-abc/scan.json does not exist");
  });

  it.each([
    ["scan.json", "", "is not JSON"],
    ["scan.json", "{", "is not JSON"],
    ["scan.json", YAML, "is not JSON"],
    ["scan.json", "[]", "is not a Scan"],
    ["scan.json", '{"metadata":{"name":"x"},"spec":{}}', "is not a Scan: spec.scanType: "],
    ["scan.yaml", "a: [", "is not YAML"],
    ["scan.yaml", "a: 1\n---\nb: 2", "is not YAML"],
    ["scan.yaml", "", "is not "],
    ["scan.yaml", "a\nb", "is not a Scan"],
    ["scan.yaml", "[".repeat(900), "is not YAML"],
  ])("%s with %j is invalid", async (name, content, why) => {
    const error = await relayErrorBy(() => read({ [name]: content }));
    const object = `s3://securecodebox/scan-abc/${name}`;
    expect(error).toMatchObject({ reason: "sidecar-invalid", errorClass: "permanent", object });
    expect(error.message).toContain(`${object} ${why}`);
  });

  it("that blows itself up by its anchors is invalid", async () => {
    const lines = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(",")}]`);
    const bomb = ["a0: &a0 x", ...lines].join("\n");
    const error = await relayErrorBy(() => read({ "scan.yaml": bomb }));
    expect(error.reason).toBe("sidecar-invalid");
  });

  it("that is too large is refused without reading it", async () => {
    const error = await relayErrorBy(() => read({ "scan.json": "x".repeat(1_025) }));
    expect(error).toMatchObject({ reason: "sidecar-too-large", object: "s3://securecodebox/scan-abc/scan.json" });
    expect(error.message).toContain("has 1025 bytes, more than 1024");
  });

  it("is not taken for missing where the store fails", async () => {
    const storage: MemoryStorage = memoryStorage();
    storage.before = () => {
      throw new Error("down");
    };
    await expect(read({}, {}, storage)).rejects.toThrow("down");
  });
});

describe("the Scan of the cluster", () => {
  const scan = (name: string, uid: string) => ({ uid, content: aSidecar({ metadata: { name, uid } }) });
  const world = (found: FoundScan | undefined | RelayError, first = false) => {
    const storage = memoryStorage();
    const asked: string[] = [];
    const scans: ScanSource = {
      first,
      find: async ({ key }) => {
        asked.push(key);
        if (found instanceof RelayError) throw found;
        return found;
      },
    };
    return { storage, asked, read: () => readSidecar(storage, FINDINGS, SETTINGS, scans) };
  };
  const SIDECAR = sibling(FINDINGS, "scan.json");

  it("is taken where there is no sidecar, and kept as one", async () => {
    const { storage, read } = world(scan("live", "a"));
    expect(await read()).toMatchObject({ name: "live", uid: "a" });
    expect(JSON.parse(storage.text(SIDECAR) ?? "")).toMatchObject({ metadata: { name: "live" } });
    expect(await readSidecar(storage, FINDINGS, SETTINGS)).toMatchObject({ name: "live", uid: "a" });
  });

  it("is not asked for where somebody put a sidecar, unless it goes first; that sidecar stays as it is", async () => {
    for (const first of [false, true]) {
      const { storage, asked, read } = world(scan("live", "a"), first);
      const text = JSON.stringify(aSidecar({ metadata: { name: "given" } }));
      storage.put(SIDECAR, text);
      expect((await read()).name).toBe(first ? "live" : "given");
      expect(asked).toHaveLength(first ? 1 : 0);
      expect(storage.text(SIDECAR)).toBe(text);
    }
  });

  it("takes the place of one that was kept for an earlier Scan", async () => {
    const { storage, read } = world(scan("earlier", "a"));
    await read();
    const later = world(scan("later", "b"));
    for (const [key, stored] of storage.objects) later.storage.objects.set(key, stored);
    expect(await later.read()).toMatchObject({ name: "later", uid: "b" });
    expect(await readSidecar(later.storage, FINDINGS, SETTINGS)).toMatchObject({ name: "later" });
  });

  it("is not needed where one was kept and it is gone, or the cluster is away", async () => {
    const { storage, read } = world(scan("kept", "a"));
    await read();
    for (const gone of [undefined, new RelayError("cluster-unavailable", "HTTP 503")]) {
      const now = world(gone, true);
      for (const [key, stored] of storage.objects) now.storage.objects.set(key, stored);
      expect(await now.read()).toMatchObject({ name: "kept" });
    }
  });

  it("is waited for where the cluster is away and nothing was kept; where it has none, a sidecar is", async () => {
    const away = new RelayError("cluster-unavailable", "HTTP 503");
    expect(await relayErrorBy(world(away).read)).toBe(away);
    expect(await relayErrorBy(world(undefined).read)).toMatchObject({
      reason: "sidecar-missing",
      message: expect.stringContaining("it is not in the cluster either"),
    });
  });

  it("may be kept by two processes at once", async () => {
    const { storage, read } = world(scan("live", "a"));
    storage.before = (call) => {
      if (call === "write") storage.put(SIDECAR, "{}", { "dojo-relay-scan": "a" });
    };
    expect(await read()).toMatchObject({ name: "live" });
    expect(storage.text(SIDECAR)).toBe("{}");
  });
});
