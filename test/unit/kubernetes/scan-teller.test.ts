import { describe, expect, it, vi } from "vitest";
import { scanIndex } from "../../../cli/kubernetes/scan-index.ts";
import { scanTeller } from "../../../cli/kubernetes/scan-teller.ts";
import { RelayError } from "../../../lib/errors.ts";
import { RELAY_PREFIX, TOLD_ANNOTATION } from "../../../lib/model/cluster-scan.ts";
import { aScanResource, fakeCluster, type ResourceParts, UID } from "../../helpers/cluster.ts";
import { aReceipt } from "../../helpers/factories.ts";
import { recorder } from "../../helpers/recorder.ts";
import { someTurns } from "../../helpers/turns.ts";

function world({ patchesFindings = true, parts = {} as ResourceParts } = {}) {
  const cluster = fakeCluster();
  const index = scanIndex();
  const observer = recorder();
  index.put(aScanResource(parts));
  const teller = scanTeller({ cluster, index, patchesFindings, log: observer.log });
  const tell = async (outcome: Parameters<typeof teller.tell>[1], uid = UID) => {
    teller.tell(uid, outcome);
    await someTurns();
  };
  const annotations = () =>
    cluster.calls.flatMap((call) =>
      call.startsWith("annotate") ? [JSON.parse(call.split(" ").slice(2).join(" "))] : [],
    );
  return { cluster, index, observer, tell, annotations };
}
/** The API server's own words for HTTP 403. */
const FORBIDDEN =
  'events is forbidden: User "system:serviceaccount:relay:relay" cannot create resource "events" in API group "" in the namespace "scans"';
const ENDING =
  'events "nmap-1.0" is forbidden: unable to create new content in namespace scans because it is being terminated';
const FULL =
  'events "nmap-1.0" is forbidden: exceeded quota: q, requested: count/events=1, used: count/events=0, limited: count/events=0';
const refused = (status: number, message = `HTTP ${status}`) => new RelayError("cluster-refused", message, { status });

describe("a Scan is told", () => {
  it("its findings, an event, and last the annotations, which say that all of it is done", async () => {
    const { cluster, tell, annotations } = world();
    const receipt = aReceipt();
    await tell({ receipt });
    expect(cluster.calls.map((call) => call.split(" ").slice(0, 3).join(" "))).toEqual([
      `findings scans/nmap-1 ${receipt.findings.count}`,
      "event scans/nmap-1 Synced",
      expect.stringMatching(/^annotate scans\/nmap-1 /),
    ]);
    expect(annotations()).toEqual([
      {
        [TOLD_ANNOTATION]: UID,
        [`${RELAY_PREFIX}outcome`]: "synced",
        [`${RELAY_PREFIX}test`]: receipt.test.url,
        [`${RELAY_PREFIX}reason`]: null,
      },
    ]);
  });

  it("no findings where they were not written back, or where that is switched off", async () => {
    for (const { patchesFindings, outcome } of [
      { patchesFindings: true, outcome: "imported" as const },
      { patchesFindings: false, outcome: "synced" as const },
    ]) {
      const { cluster, tell } = world({ patchesFindings });
      await tell({ receipt: aReceipt(undefined, { outcome }) });
      expect(cluster.calls.filter((call) => call.startsWith("findings"))).toEqual([]);
      expect(cluster.calls).toHaveLength(2);
    }
  });

  it("why it fell back, and why it was dead-lettered", async () => {
    const { cluster, tell, annotations } = world();
    await tell({ receipt: aReceipt(undefined, { fellBack: "the parser refused the report" }) });
    await tell({ failure: new RelayError("findings-invalid", "findings.json is no array") });
    expect(cluster.calls.filter((call) => call.startsWith("event"))).toEqual([
      "event scans/nmap-1 FellBack",
      "event scans/nmap-1 DeadLettered",
    ]);
    expect(annotations()).toMatchObject([
      { [`${RELAY_PREFIX}outcome`]: "fell-back", [`${RELAY_PREFIX}reason`]: "the parser refused the report" },
      {
        [`${RELAY_PREFIX}outcome`]: "dead-lettered",
        [`${RELAY_PREFIX}reason`]: "findings-invalid: findings.json is no array",
        [`${RELAY_PREFIX}test`]: null,
      },
    ]);
  });

  it("that it is outdated, and by what", async () => {
    const { cluster, tell, annotations } = world();
    const outdated = { laterRunAt: "2026-11-23T02:00:00.000Z", why: "test 7 has a later run", advice: "Force it." };
    const receipt = aReceipt(undefined, { outcome: "outdated", outdated });
    await tell({ receipt });
    expect(cluster.calls.map((call) => call.split(" ").slice(0, 3).join(" "))).toEqual([
      "event scans/nmap-1 Outdated",
      expect.stringMatching(/^annotate /),
    ]);
    expect(annotations()).toMatchObject([
      {
        [TOLD_ANNOTATION]: UID,
        [`${RELAY_PREFIX}outcome`]: "outdated",
        [`${RELAY_PREFIX}reason`]: "outdated: test 7 has a later run. Force it.",
        [`${RELAY_PREFIX}test`]: receipt.test.url,
      },
    ]);
  });

  it("once for each receipt", async () => {
    const { cluster, tell } = world({ parts: { metadata: { annotations: { [TOLD_ANNOTATION]: UID } } } });
    const receipt = aReceipt();
    await tell({ receipt });
    await tell({ receipt });
    expect(cluster.calls).toHaveLength(3);
    await tell({ receipt: { ...receipt, startedAt: "2026-12-01T00:00:00.000Z" } });
    expect(cluster.calls).toHaveLength(6);
  });

  it("nothing where the cluster has it not", async () => {
    const { cluster, tell } = world();
    await tell({ receipt: aReceipt() }, "another");
    expect(cluster.calls).toEqual([]);
  });

  it.each([404, 409])("an event that exists, or whose namespace is gone (HTTP %i), is no failure", async (status) => {
    const { cluster, observer, tell, annotations } = world();
    cluster.before = (call) => {
      if (call.startsWith("event")) throw refused(status, `namespaces "scans" not found: ${status}`);
    };
    await tell({ receipt: aReceipt() });
    expect(annotations()).toHaveLength(1);
    expect(observer.messages("warn")).toEqual([]);
  });

  // An API server that starts up answers 404 until it serves Scans, and a Scan that others write too may end in a conflict.
  it.each([404, 409, 422])(
    "a patch that is refused (HTTP %i) is retried as long as the Scan exists",
    async (status) => {
      vi.useFakeTimers();
      try {
        const { cluster, index, observer, tell, annotations } = world();
        let refuses = true;
        cluster.before = () => {
          if (refuses) throw refused(status);
        };
        void tell({ receipt: aReceipt() });
        await vi.advanceTimersByTimeAsync(3_000);
        refuses = false;
        await vi.advanceTimersByTimeAsync(60_000);
        expect(annotations()).toHaveLength(1);
        refuses = true;
        void tell({ receipt: aReceipt(undefined, { startedAt: "2026-12-01T00:00:00.000Z" }) });
        await vi.advanceTimersByTimeAsync(3_000);
        index.remove(UID);
        await vi.advanceTimersByTimeAsync(3_600_000);
        expect(annotations()).toHaveLength(1);
        expect(observer.messages("warn")).toEqual([]);
      } finally {
        vi.useRealTimers();
      }
    },
  );

  it.each([
    ["may not be created", 403, FORBIDDEN],
    ["are not served", 404, "404 page not found"],
  ])("without events where they %s, which is said once", async (_, status, message) => {
    const { cluster, observer, tell, annotations } = world();
    cluster.before = (call) => {
      if (call.startsWith("event")) throw refused(status, message);
    };
    await tell({ receipt: aReceipt() });
    await tell({ receipt: aReceipt(undefined, { startedAt: "2026-12-01T00:00:00.000Z" }) });
    expect(annotations()).toHaveLength(2);
    expect(cluster.calls.filter((call) => call.startsWith("event"))).toHaveLength(1);
    expect(observer.messages("warn")).toHaveLength(1);
  });

  it("with events elsewhere, where one namespace lets none be created", async () => {
    const { cluster, index, observer, tell } = world();
    const other = "5b0f3f6e-6a0e-4d0c-8a4c-2f6f5a1de002";
    index.put(aScanResource({ metadata: { namespace: "other", uid: other } }));
    cluster.before = (call) => {
      if (call.startsWith("event scans")) throw refused(403, FORBIDDEN);
    };
    for (const startedAt of ["2026-12-01T00:00:00.000Z", "2026-12-02T00:00:00.000Z"]) {
      await tell({ receipt: aReceipt(undefined, { startedAt }) });
      await tell({ receipt: aReceipt(undefined, { startedAt }) }, other);
    }
    const events = cluster.calls.filter((call) => call.startsWith("event"));
    expect(events).toEqual(["event scans/nmap-1 Synced", "event other/nmap-1 Synced", "event other/nmap-1 Synced"]);
    expect(observer.messages("warn")).toEqual([expect.stringContaining("may not create events in scans")]);
  });

  it.each([
    ["a namespace that is being deleted", ENDING, 0],
    ["a quota", FULL, 2],
  ])("by the next event again, though %s has no room for one", async (_, message, warnings) => {
    const { cluster, observer, tell, annotations } = world();
    cluster.before = (call) => {
      if (call.startsWith("event")) throw refused(403, message);
    };
    await tell({ receipt: aReceipt() });
    await tell({ receipt: aReceipt(undefined, { startedAt: "2026-12-01T00:00:00.000Z" }) });
    expect(cluster.calls.filter((call) => call.startsWith("event"))).toHaveLength(2);
    expect(annotations()).toHaveLength(2);
    expect(observer.messages("warn")).toHaveLength(warnings);
  });

  it("no more where the API refuses it again and again", async () => {
    vi.useFakeTimers();
    try {
      const { cluster, observer, tell } = world();
      cluster.before = () => {
        throw refused(400, "of no use");
      };
      void tell({ receipt: aReceipt() });
      await vi.advanceTimersByTimeAsync(3_600_000);
      expect(observer.messages("warn")).toEqual(["a Scan's outcome cannot be written"]);
      const calls = cluster.calls.length;
      await vi.advanceTimersByTimeAsync(3_600_000);
      expect(cluster.calls).toHaveLength(calls);
    } finally {
      vi.useRealTimers();
    }
  });

  it("in the end where the API was away", async () => {
    vi.useFakeTimers();
    try {
      const { cluster, observer, tell, annotations } = world();
      let away = 3;
      cluster.before = () => {
        if (away-- > 0) throw new RelayError("cluster-unavailable", "HTTP 503", { status: 503 });
      };
      void tell({ receipt: aReceipt() });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(annotations()).toHaveLength(1);
      // As long as the upgrade of a managed control plane takes, and longer.
      let gone = true;
      cluster.before = () => {
        if (gone) throw new RelayError("cluster-unavailable", "HTTP 503", { status: 503 });
      };
      void tell({ receipt: aReceipt(undefined, { startedAt: "2026-12-01T00:00:00.000Z" }) });
      await vi.advanceTimersByTimeAsync(3_600_000);
      expect(observer.messages("warn")).toEqual(["a Scan's outcome cannot be written yet; retrying"]);
      gone = false;
      await vi.advanceTimersByTimeAsync(60_000);
      expect(annotations()).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});
