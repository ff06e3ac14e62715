import { describe, expect, it } from "vitest";
import { dropUndefined, parseSidecar, scanSchema } from "../../../lib/model/scan.ts";
import { aSidecar } from "../../helpers/factories.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const OBJECT = "s3://b/scan-abc/scan.json";
const parse = (content: unknown) => parseSidecar(content, OBJECT);
const minimal = { metadata: { name: "x" }, spec: { scanType: "nmap" } };

describe("parseSidecar", () => {
  it("reads what kubectl prints", () => {
    const scan = parse(
      aSidecar({
        metadata: {
          annotations: {
            "defectdojo.securecodebox.io/product-name": "Shop",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "other.securecodebox.io/x": "y",
          },
          ownerReferences: [
            { kind: "Other", name: "other" },
            { apiVersion: "v1", kind: "ScheduledScan", name: "nightly", uid: "u" },
          ],
          managedFields: [{ anything: 1 }],
        },
        spec: { hookSelector: { matchLabels: { team: "a" } } },
      }),
    );
    expect(scan).toEqual({
      name: "nmap-example",
      namespace: "security",
      uid: "8c3b8c93-8791-487a-ae43-13516f6ceba4",
      scanType: "nmap",
      parameters: ["-p", "22", "example.com"],
      annotations: { "product-name": "Shop" },
      scheduledBy: "nightly",
      createdAt: "2026-11-20T10:00:00Z",
      finishedAt: "2026-11-20T10:05:00Z",
      rawResultType: "nmap-xml",
      rawResultFile: "nmap-results.xml",
      hookSelector: { matchLabels: { team: "a" } },
    });
    expect(scanSchema.parse(scan)).toEqual(scan);
  });

  it("requires only a name and a scan type", () => {
    expect(parse(minimal)).toEqual({
      name: "x",
      namespace: "default",
      scanType: "nmap",
      parameters: [],
      annotations: {},
    });
  });

  it("treats null as missing", () => {
    const nulls = {
      metadata: { name: "x", uid: null, creationTimestamp: null, annotations: null, ownerReferences: null },
      spec: { scanType: "nmap", parameters: null, hookSelector: null },
      status: { rawResultType: null, rawResultFile: null, finishedAt: null },
    };
    expect(parse(nulls)).toEqual(parse(minimal));
    expect(parse({ ...minimal, status: null })).toEqual(parse(minimal));
  });

  it.each([
    ["metadata", { spec: { scanType: "nmap" } }],
    ["spec", { metadata: { name: "x" } }],
    ["metadata.name", { metadata: {}, spec: { scanType: "nmap" } }],
    ["metadata.name", { metadata: { name: "" }, spec: { scanType: "nmap" } }],
    ["metadata.name", { metadata: { name: "x".repeat(254) }, spec: { scanType: "nmap" } }],
    ["metadata.namespace", { metadata: { name: "x", namespace: 1 }, spec: { scanType: "nmap" } }],
    ["metadata.uid", aSidecar({ metadata: { uid: 7 } })],
    ["metadata.creationTimestamp", aSidecar({ metadata: { creationTimestamp: "yesterday" } })],
    ["metadata.annotations.a", aSidecar({ metadata: { annotations: { a: true } } })],
    ["metadata.annotations", aSidecar({ metadata: { annotations: ["a"] } })],
    ["metadata.ownerReferences[0].name", aSidecar({ metadata: { ownerReferences: [{ kind: "ScheduledScan" }] } })],
    ["spec.scanType", aSidecar({ spec: { scanType: undefined } })],
    ["spec.scanType", aSidecar({ spec: { scanType: "" } })],
    ["spec.parameters[1]", aSidecar({ spec: { parameters: ["a", 1] } })],
    ["spec.parameters", aSidecar({ spec: { parameters: "-p 22" } })],
    ["spec.hookSelector.matchLabels.a", aSidecar({ spec: { hookSelector: { matchLabels: { a: 1 } } } })],
    [
      "spec.hookSelector.matchExpressions[0].operator",
      aSidecar({ spec: { hookSelector: { matchExpressions: [{ key: "a", operator: "Gt" }] } } }),
    ],
    ["status.rawResultType", aSidecar({ status: { rawResultType: 1 } })],
    ["status.finishedAt", aSidecar({ status: { finishedAt: "soon" } })],
  ])("names %s where that is what is wrong", async (field, content) => {
    const error = await relayErrorBy(() => parse(content));
    expect(error).toMatchObject({ reason: "sidecar-invalid", object: OBJECT });
    expect(error.message).toContain(`${OBJECT} is not a Scan: ${field}: `);
    expect(error.message).not.toContain("; ");
  });

  it("names every bad field at once", async () => {
    const error = await relayErrorBy(() =>
      parse(aSidecar({ metadata: { name: 1 }, spec: { scanType: 2 }, status: { finishedAt: 3 } })),
    );
    for (const field of ["metadata.name", "spec.scanType", "status.finishedAt"]) expect(error.message).toContain(field);
  });

  it.each([null, undefined, 1, "text", [], true])("refuses %o as a whole", async (content) => {
    expect(await relayErrorBy(() => parse(content))).toMatchObject({ reason: "sidecar-invalid", object: OBJECT });
  });

  it.each([
    "../other/secret.json",
    "..",
    ".",
    "/etc/passwd",
    "a/b.xml",
    "..\\windows",
    "a\\b",
    "a\u0000.xml",
    "a\r\nX-Injected: 1",
    "a\u007f",
    "",
    "x".repeat(256),
  ])("refuses %j as the name of the raw result", async (rawResultFile) => {
    const error = await relayErrorBy(() => parse(aSidecar({ status: { rawResultFile } })));
    expect(error.message).toContain("status.rawResultFile: ");
  });

  it.each(["results.xml", "..results", "résultats (1).json", "a?b=c#d&e%2f.json", 'a"b.xml'])(
    "takes %j as the name of the raw result, which is data",
    (rawResultFile) => {
      expect(parse(aSidecar({ status: { rawResultFile } })).rawResultFile).toBe(rawResultFile);
    },
  );

  it("keeps an annotation named __proto__ as data", () => {
    const content = JSON.parse(
      '{"metadata":{"name":"x","annotations":{"__proto__":"a","defectdojo.securecodebox.io/__proto__":"b"}},"spec":{"scanType":"nmap"}}',
    );
    const { annotations } = parse(content);
    expect(Object.getPrototypeOf(annotations)).toBe(Object.prototype);
  });
});

describe("dropUndefined", () => {
  it("drops undefined and keeps null, false, 0 and the empty text", () => {
    expect(Object.keys(dropUndefined({ a: undefined, b: null, c: false, d: 0, e: "" }))).toEqual(["b", "c", "d", "e"]);
  });
});

describe("where a cascaded scan comes from", () => {
  const cascadeOf = (annotations: Readonly<Record<string, string>>) => {
    const prefixed = Object.entries(annotations).map(([name, value]) => [`cascading.securecodebox.io/${name}`, value]);
    return parseSidecar(aSidecar({ metadata: { annotations: Object.fromEntries(prefixed) } }), "scan.json").cascade;
  };
  it.each([
    ["a ScheduledScan's run", "nightly-1700000000", "sslyze-tls", { root: "nightly", rules: ["sslyze-tls"] }],
    ["a scan of somebody's own", "ports-of-shop", "sslyze-tls", { root: "ports-of-shop", rules: ["sslyze-tls"] }],
    [
      "a cascaded scan",
      "nightly-1700000000-nmap-hosts-x7f2k",
      "nmap-hosts,sslyze-tls",
      { root: "nightly", rules: ["nmap-hosts", "sslyze-tls"] },
    ],
    ["a name that is a time alone", "-1700000000", "r", { root: "-1700000000", rules: ["r"] }],
    ["nobody", "", "sslyze-tls", undefined],
    ["no rule", "nightly-1700000000", "", undefined],
    ["a name that cannot be used", "night\u0000ly", "r", undefined],
  ])("is told of %s", (_, parent, chain, cascade) => {
    expect(cascadeOf({ "parent-scan": parent, chain })).toEqual(cascade);
  });
  it("ignores other owners", () => {
    expect(cascadeOf({})).toBeUndefined();
  });
});
