import { describe, expect, it } from "vitest";
import {
  clusterScan,
  isToldFinally,
  leadsTo,
  objectAt,
  TOLD_ANNOTATION,
  toldValue,
} from "../../../lib/model/cluster-scan.ts";
import { parseSidecar } from "../../../lib/model/scan.ts";
import { aScanResource, UID } from "../../helpers/cluster.ts";

const hook = (type: string, state: string) => ({ hookName: "a", type, state });

describe("a Scan's phase", () => {
  it.each([
    ["nothing yet", {}, "running"],
    ["Scanning", { state: "Scanning" }, "running"],
    ["Parsing", { state: "Parsing" }, "running"],
    ["ParseCompleted", { state: "ParseCompleted" }, "parsed"],
    [
      "hooks that only read",
      { state: "HookProcessing", orderedHookStatuses: [[hook("ReadOnly", "Pending")]] },
      "final",
    ],
    [
      "a hook that may rewrite",
      {
        state: "HookProcessing",
        orderedHookStatuses: [[hook("ReadAndWrite", "InProgress")], [hook("ReadOnly", "Pending")]],
      },
      "rewriting",
    ],
    [
      "a hook that has rewritten",
      {
        state: "HookProcessing",
        orderedHookStatuses: [[hook("ReadAndWrite", "Completed")], [hook("ReadOnly", "Pending")]],
      },
      "final",
    ],
    ["older operators' hooks", { state: "ReadAndWriteHookProcessing" }, "rewriting"],
    ["Done", { state: "Done" }, "final"],
    ["a scanner that failed", { state: "Errored" }, "running"],
    ["a hook that failed", { state: "Errored", orderedHookStatuses: [[hook("ReadOnly", "Failed")]] }, "final"],
    ["a state that nobody knows", { state: "toString" }, "running"],
  ])("%s", (_, status, phase) => {
    const { state: _done, ...rest } = aScanResource().status;
    expect(clusterScan({ ...aScanResource(), status: { ...rest, ...status } })?.phase).toBe(phase);
  });

  it("is running when there is no status", () => {
    const { status: _, ...resource } = aScanResource();
    expect(clusterScan(resource)).toMatchObject({ phase: "running", findings: undefined });
  });
});

describe("the stored summary of a Scan", () => {
  const secret = "hunter2";
  const resource = aScanResource({
    metadata: {
      annotations: {
        "defectdojo.securecodebox.io/product-name": "shop",
        "kubectl.kubernetes.io/last-applied-configuration": `{"env":"${secret}"}`,
      },
      managedFields: [{ manager: secret }],
    },
    spec: {
      parameters: ["-p", "22"],
      env: [{ name: "TOKEN", value: secret }],
      volumes: [{ name: secret }],
      initContainers: [{ env: [{ value: secret }] }],
    },
  });

  it("is an equivalent sidecar without secrets, links and others' annotations", () => {
    const scan = clusterScan(resource);
    expect(JSON.stringify(scan)).not.toContain(secret);
    expect(JSON.stringify(scan?.content)).not.toContain("X-Amz-Signature");
    expect(parseSidecar(scan?.content, "kept")).toEqual(parseSidecar(resource, "resource"));
  });

  it("gives the reason when the Scan cannot be used", () => {
    const scan = clusterScan(aScanResource({ status: { rawResultFile: "../../etc/passwd" } }));
    expect(scan?.problem).toMatchObject({
      reason: "sidecar-invalid",
      message: expect.stringContaining("scans/nmap-1"),
    });
  });

  it("is empty for what is not a Scan", () => {
    for (const other of [undefined, null, "Scan", {}, { metadata: { name: "a" } }])
      expect(clusterScan(other)).toBeUndefined();
  });
});

describe("a presigned link", () => {
  const ref = { bucket: "securecodebox", key: `scan ü/${UID}/findings.json` };
  const path = `scan%20%C3%BC/${UID}/findings.json`;
  const linkOf = (url: string) => clusterScan(aScanResource({ status: { findingDownloadLink: url } }))?.findings;

  it.each([
    ["in the path", `http://minio:9000/securecodebox/${path}?X-Amz-Expires=60`, true],
    ["in the host", `https://securecodebox.s3.eu-central-1.amazonaws.com/${path}`, true],
    ["as the host", `https://securecodebox/${path}`, true],
    ["of another name in the path", `http://minio:9000/other/${path}`, false],
    ["of another name in the host", `https://other.s3.amazonaws.com/${path}`, false],
    ["whose host only begins like it", `https://securecodebox-2.s3.amazonaws.com/${path}`, false],
  ])("leads to an object of a bucket %s", (_, url, leads) => {
    const link = linkOf(url);
    expect(link && leadsTo(link, ref)).toBe(leads);
    if (leads) expect(link && objectAt(link, "securecodebox")).toEqual(ref);
    else expect(link && objectAt(link, "securecodebox")).not.toEqual(ref);
  });

  it("reveals its bucket by an AWS host name, else by its path", () => {
    const at = (url: string) => {
      const link = linkOf(url);
      return link && objectAt(link, undefined);
    };
    expect(at("https://a.b.s3.eu-central-1.amazonaws.com/x/findings.json")).toEqual({
      bucket: "a.b",
      key: "x/findings.json",
    });
    expect(at("https://s3.eu-central-1.amazonaws.com/a/x/findings.json")).toEqual({
      bucket: "a",
      key: "x/findings.json",
    });
    expect(at("http://minio:9000/a/x/findings.json")).toEqual({ bucket: "a", key: "x/findings.json" });
    expect(at("http://minio:9000/findings.json")).toBeUndefined();
  });

  it("is ignored when unreadable", () => {
    for (const url of ["", "nonsense", "http://minio:9000/%E0%A4%A"]) expect(linkOf(url)).toBeUndefined();
  });
});

describe("a Scan whose outcome was reported", () => {
  const told = (value: string, state = "Done") => {
    const scan = clusterScan(
      aScanResource({ metadata: { annotations: { [TOLD_ANNOTATION]: value } }, status: { state } }),
    );
    return scan && isToldFinally(scan);
  };

  it("needs no further check, unless the annotation is another Scan's", () => {
    expect(told(UID)).toBe(true);
    expect(told("another")).toBe(false);
    expect(clusterScan(aScanResource())?.told).toBeUndefined();
  });

  it("is checked once more when its hooks finish later", () => {
    const early = toldValue({ uid: UID, phase: "rewriting" });
    expect(told(early, "ParseCompleted")).toBe(true);
    expect(told(early, "Done")).toBe(false);
    expect(told(toldValue({ uid: UID, phase: "final" }))).toBe(true);
  });
});
