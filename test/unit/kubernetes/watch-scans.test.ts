import { afterEach, describe, expect, it, vi } from "vitest";
import type { ScanPage } from "../../../cli/kubernetes/cluster.ts";
import { scanIndex } from "../../../cli/kubernetes/scan-index.ts";
import { indexedScans } from "../../../cli/kubernetes/scan-source.ts";
import { type ScanWatch, watchScans } from "../../../cli/kubernetes/watch-scans.ts";
import { RelayError } from "../../../lib/errors.ts";
import { aScanResource, type FakeCluster, fakeCluster, UID } from "../../helpers/cluster.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const other = (name: string) => aScanResource({ metadata: { name, uid: name, resourceVersion: "9" } });
const page = (items: object[], resourceVersion = "5", next?: string): ScanPage => ({ items, resourceVersion, next });
const expired = () => new RelayError("cluster-unavailable", "LIST scans: HTTP 410", { status: 410 });
const FINDINGS = { bucket: "securecodebox", key: `scan-${UID}/findings.json` };

let watch: ScanWatch | undefined;
afterEach(() => watch?.stop());

function start(cluster: FakeCluster, namespace?: string) {
  const index = scanIndex();
  const seen: string[] = [];
  const observer = recorder();
  const onScan = ({ name }: { name: string }) => void seen.push(name);
  watch = watchScans({ cluster, namespace, index, onScan, log: observer.log, pauseMs: () => 1 });
  return { index, seen, observer, watch };
}
const until = (what: () => unknown) => vi.waitFor(() => expect(what()).toBeTruthy(), { timeout: 30_000 });

describe("the watch of Scans", () => {
  it("lists in pages once, then watches from there", async () => {
    const cluster = fakeCluster([page([other("a")], "5", "token"), page([other("b")], "6")]);
    const { index, seen } = start(cluster);
    await until(cluster.watching);
    expect(cluster.calls).toEqual(["list all", "list all token", "watch all 6"]);
    expect(seen).toEqual(["a", "b"]);
    cluster.watching()?.emit({ type: "ADDED", object: aScanResource() });
    cluster.watching()?.emit({ type: "DELETED", object: other("a") });
    expect([...index.all()].map(({ name }) => name)).toEqual(["b", "nmap-1"]);
    expect(cluster.calls).toHaveLength(3);
  });

  it("goes on from the last version seen where a watch ends", async () => {
    const cluster = fakeCluster();
    start(cluster, "scans");
    await until(cluster.watching);
    cluster.watching()?.emit({ type: "MODIFIED", object: aScanResource() });
    cluster.watching()?.emit({ type: "BOOKMARK", object: { metadata: { resourceVersion: "12" } } });
    cluster.watching()?.end();
    await until(cluster.watching);
    expect(cluster.calls).toEqual(["list scans", "watch scans 1", "watch scans 12"]);
  });

  it.each([
    ["an event", { emit: true }],
    ["the answer", { emit: false }],
  ])("lists anew where the version is gone, by %s, and forgets what is gone with it", async (_, { emit }) => {
    const cluster = fakeCluster([page([other("a"), other("b")]), page([other("b")], "30")]);
    const { index } = start(cluster);
    await until(cluster.watching);
    if (emit) cluster.watching()?.emit({ type: "ERROR", object: { code: 410, message: "too old resource version" } });
    cluster.watching()?.end(emit ? undefined : expired());
    await until(() => cluster.calls.includes("watch all 30"));
    expect([...index.all()].map(({ name }) => name)).toEqual(["b"]);
  });

  it("begins the list anew where its next page is gone", async () => {
    const cluster = fakeCluster([page([other("a")], "5", "token"), expired(), page([other("b")], "6")]);
    const { index } = start(cluster);
    await until(cluster.watching);
    expect(cluster.calls).toEqual(["list all", "list all token", "list all", "watch all 6"]);
    expect([...index.all()].map(({ name }) => name)).toEqual(["b"]);
  });

  it("says so once while the API is away, and knows that it may have missed something", async () => {
    const cluster = fakeCluster([new Error("connect ECONNREFUSED"), new Error("connect ECONNREFUSED"), page([])]);
    const { watch, observer } = start(cluster);
    await watch.first;
    expect(watch.state()).toMatchObject({ current: false, error: { reason: "internal" } });
    await until(cluster.watching);
    expect(watch.state()).toEqual({ current: true });
    expect(observer.messages("warn")).toHaveLength(1);
  });

  it("knows that it may have missed something until a watch has caught up again", async () => {
    const cluster = fakeCluster();
    const { watch } = start(cluster);
    for (const caughtUp of ["bookmark", "end"]) {
      await until(cluster.watching);
      expect(watch.state()).toEqual({ current: true });
      cluster.watching()?.end(new RelayError("cluster-unavailable", "WATCH scans: no answer"));
      await until(cluster.watching);
      expect(watch.state()).toMatchObject({ current: false, error: { message: "WATCH scans: no answer" } });
      cluster.watching()?.emit({ type: "MODIFIED", object: aScanResource() });
      expect(watch.state()).toMatchObject({ current: false });
      if (caughtUp === "end") cluster.watching()?.end();
      else cluster.watching()?.emit({ type: "BOOKMARK", object: { metadata: { resourceVersion: "12" } } });
      await until(() => watch.state().current);
    }
  });

  it("may have missed something while it lists anew", async () => {
    const cluster = fakeCluster();
    const { watch } = start(cluster);
    await until(cluster.watching);
    let during: ReturnType<ScanWatch["state"]> | undefined;
    cluster.before = (call) => {
      if (call === "list all") during = watch.state();
    };
    cluster.watching()?.emit({ type: "ERROR", object: { code: 410, message: "too old resource version" } });
    cluster.watching()?.end();
    await until(() => during);
    expect(during).toMatchObject({ current: false });
  });

  it("forgets what a list of its namespace does not have, and nothing of others", () => {
    const index = scanIndex();
    index.put(aScanResource());
    index.put(aScanResource({ metadata: { namespace: "b", uid: "b" } }));
    index.retain("b", new Set());
    expect([...index.all()].map(({ namespace }) => namespace)).toEqual(["scans"]);
  });
});

describe("the index of Scans", () => {
  it("finds a Scan by its links, whatever the operator's template, and by the uid in the key", () => {
    const index = scanIndex();
    const link = "https://results.s3.eu-central-1.amazonaws.com/team-a/nmap/findings.json?X-Amz-Signature=a";
    index.put(
      aScanResource({
        metadata: { uid: "by-template" },
        status: { findingDownloadLink: link, rawResultDownloadLink: "" },
      }),
    );
    index.put(aScanResource());
    expect(index.find({ bucket: "results", key: "team-a/nmap/findings.json" })?.uid).toBe("by-template");
    expect(index.find({ bucket: "other", key: "team-a/nmap/findings.json" })).toBeUndefined();
    expect(index.find(FINDINGS)?.uid).toBe(UID);
    expect(index.find({ ...FINDINGS, key: `scan-${UID}/nmap-results.xml` })?.uid).toBe(UID);
    expect(index.find({ bucket: "copy", key: `copies/${UID.toUpperCase()}-findings.json` })?.uid).toBe(UID);
  });

  it("gives another Scan's findings to none whose status leads there: the uid in the key is the operator's word", () => {
    const index = scanIndex();
    index.put(aScanResource());
    index.put(
      aScanResource({ metadata: { uid: "forger", namespace: "other", creationTimestamp: "2026-11-30T10:00:00Z" } }),
    );
    expect(index.find(FINDINGS)?.uid).toBe(UID);
    // A template may name the parent's uid too: then the link tells which of the two it is.
    const child = "0b1e2f9c-5d2a-4c83-9a39-6f0c3f1de002";
    const key = `scan-${UID}/${child}/findings.json`;
    const status = { findingDownloadLink: `http://minio:9000/securecodebox/${key}`, rawResultDownloadLink: "" };
    index.put(aScanResource({ metadata: { uid: child, creationTimestamp: "2026-11-19T10:00:00Z" }, status }));
    expect(index.find({ bucket: "securecodebox", key })?.uid).toBe(child);
  });

  it("takes the latest of several in one place, and the one before where that is deleted", () => {
    const index = scanIndex();
    const at = (uid: string, creationTimestamp: string) =>
      index.put(aScanResource({ metadata: { uid, creationTimestamp } }));
    at("first", "2026-11-20T10:00:00Z");
    at("third", "2026-11-22T10:00:00Z");
    at("second", "2026-11-21T10:00:00Z");
    expect(index.find(FINDINGS)?.uid).toBe("third");
    index.remove("third");
    expect(index.find(FINDINGS)?.uid).toBe("second");
  });

  it("follows a Scan whose links change", () => {
    const index = scanIndex();
    index.put(aScanResource({ metadata: { uid: "a" } }));
    index.put(
      aScanResource({
        metadata: { uid: "a" },
        status: { findingDownloadLink: "http://m/b/k", rawResultDownloadLink: "" },
      }),
    );
    expect(index.find(FINDINGS)).toBeUndefined();
    expect(index.find({ bucket: "b", key: "k" })?.uid).toBe("a");
  });
});

describe("Scans as a source", () => {
  const state = (current: boolean, error?: RelayError): ScanWatch => ({
    state: () => (current ? { current } : { current, error }),
    first: Promise.resolve(),
    stop: async () => undefined,
  });

  it("gives the Scan, and says that there is none only while it would know", async () => {
    const index = scanIndex();
    expect(await indexedScans(index, [state(true)], true).find(FINDINGS)).toBeUndefined();
    // An API server that is starting up refuses everybody: that says nothing about the Scan, so the job waits.
    const away = new RelayError("cluster-refused", "LIST scans: HTTP 403", { status: 403 });
    const failed = await relayErrorBy(() =>
      indexedScans(index, [state(true), state(false, away)], true).find(FINDINGS),
    );
    expect(failed).toMatchObject({ reason: "cluster-unavailable", errorClass: "transient", cause: away });
    expect(failed.message).toContain("is unknown: LIST scans: HTTP 403");
    expect(await relayErrorBy(() => indexedScans(index, [state(false)], true).find(FINDINGS))).toMatchObject({
      reason: "cluster-unavailable",
    });
    index.put(aScanResource());
    expect(await indexedScans(index, [state(false, away)], true).find(FINDINGS)).toMatchObject({ uid: UID });
  });

  it("refuses a Scan that cannot be used", async () => {
    const index = scanIndex();
    index.put(aScanResource({ status: { rawResultFile: "a/b" } }));
    expect(await relayErrorBy(() => indexedScans(index, [state(true)], true).find(FINDINGS))).toMatchObject({
      reason: "sidecar-invalid",
    });
  });
});
