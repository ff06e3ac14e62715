import { describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import type { Receipt } from "../../../lib/model/receipt.ts";
import { noticeKey } from "../../../lib/model/state-keys.ts";
import { type NotifySettings, notifyReceipt } from "../../../lib/notify/notify-receipt.ts";
import { aReceipt, FINDINGS } from "../../helpers/factories.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

/** A finding as it lies in the bucket after the sync. */
const written = (id: number, severity = "High", attributes: Record<string, unknown> = {}) => ({
  name: `Finding ${id}`,
  severity: severity === "Critical" ? "HIGH" : severity.toUpperCase(),
  location: "tcp://shop.example.com:22",
  attributes: {
    "defectdojo.org/finding-id": id,
    "defectdojo.org/finding-url": `https://dojo.example.com/finding/${id}`,
    "defectdojo.org/severity": severity,
    active: true,
    ...attributes,
  },
});
type Written = ReturnType<typeof written>;

interface Body {
  readonly id: string;
  readonly title: string;
  readonly new: { count: number; findings: { id: number; name: string; severity: string }[] };
  readonly changed: { count: number; findings: { id: number; change: string }[] };
}

function world() {
  const storage = memoryStorage();
  const clock = fakeClock();
  const sent: Body[] = [];
  const fates: (Error | undefined)[] = [];
  let meanwhile: () => Promise<unknown> = async () => undefined;
  const webhook = {
    send: async (body: unknown) => {
      await meanwhile();
      const fate = fates.shift();
      if (fate !== undefined) throw fate;
      sent.push(body as Body);
    },
  };
  const observer = recorder();
  const tell = (settings: Partial<NotifySettings> = {}) =>
    notifyReceipt(
      FINDINGS,
      { ...observer, storage, webhook, clock },
      { format: "json", minimumSeverity: "Medium", ...settings },
    );
  return {
    ...{ storage, clock, sent, fates, tell, observer },
    land: (findings: readonly Written[], changes: Partial<Receipt> = {}) => {
      storage.put(FINDINGS, JSON.stringify(findings));
      storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt(undefined, { new: findings.length, ...changes })));
    },
    while: (work: () => Promise<unknown>) => {
      meanwhile = work;
    },
    state: () => JSON.parse(storage.text({ ...FINDINGS, key: noticeKey(FINDINGS) }) ?? "null"),
  };
}
const ids = (body: Body | undefined) => body?.new.findings.map(({ id }) => id);

describe("notifications about a receipt", () => {
  it("list new, real findings of the severity or worse, worst first", async () => {
    const w = world();
    w.land([
      written(1, "Medium"),
      written(2, "Critical"),
      written(3, "Low"),
      written(4, "High", { duplicate: true, active: false }),
      written(5, "High", { falsePositive: true, active: false }),
      written(6, "High", { "defectdojo.org/missing": true }),
    ]);
    expect(await w.tell()).toMatchObject({ outcome: "sent" });
    expect(ids(w.sent[0])).toEqual([2, 1]);
    expect(w.sent[0]).toMatchObject({ title: "2 new findings in nmap-example (nmap-example)", new: { count: 2 } });
    expect(w.observer.counts.get("NoticesSent")).toBe(1);
  });

  it("are sent once, even when asked for again", async () => {
    const w = world();
    w.land([written(1)]);
    await w.tell();
    expect(await w.tell()).toEqual({ outcome: "nothing" });
    w.land([written(1), written(2)]);
    await w.tell();
    expect(w.sent.map(ids)).toEqual([[1], [2]]);
  });

  it("list ten findings, with the total", async () => {
    const w = world();
    w.land(Array.from({ length: 25 }, (_, id) => written(id)));
    await w.tell();
    expect(w.sent[0]?.new).toMatchObject({ count: 25 });
    expect(w.sent[0]?.new.findings).toHaveLength(10);
    expect(await w.tell()).toEqual({ outcome: "nothing" });
  });

  it("are none without findings, without a receipt or for another scan's receipt", async () => {
    const w = world();
    expect(await w.tell()).toEqual({ outcome: "nothing" });
    w.land([written(1, "Low")]);
    expect(await w.tell()).toEqual({ outcome: "nothing" });
    w.land([written(1)], { jobKey: "another" });
    expect(await w.tell()).toEqual({ outcome: "nothing" });
    w.land([written(1)], { outcome: "outdated" });
    expect(await w.tell({ markOnly: true })).toEqual({ outcome: "nothing" });
    expect(w.sent).toEqual([]);
    // Imported all the same, it is told as if nothing had been.
    w.land([written(1)]);
    await w.tell();
    expect(w.sent.map(ids)).toEqual([[1]]);
  });

  it("list changed verdicts, once per set of changes", async () => {
    const w = world();
    w.land([written(1), written(2), written(3)]);
    await w.tell();
    const changed = [
      { findingId: 1, from: ["active"], to: ["inactive", "falsePositive", "mitigated"] },
      { findingId: 2, from: ["inactive", "riskAccepted"], to: ["active"] },
      { findingId: 9, from: ["active"], to: [] },
    ];
    const now = [written(1, "High", { falsePositive: true }), written(2), written(3)];
    w.land(now, { changed, changedCount: 3 });
    await w.tell();
    await w.tell();
    expect(w.sent).toHaveLength(2);
    expect(w.sent[1]?.changed).toMatchObject({ count: 3 });
    expect(w.sent[1]?.changed.findings.map(({ id, change }) => `${id} ${change}`)).toEqual([
      "1 now false positive, mitigated",
      "2 no longer risk accepted",
      "9 no longer in DefectDojo",
    ]);
    w.land(now, { changed: [{ findingId: 1, from: ["inactive", "falsePositive"], to: ["active"] }], changedCount: 1 });
    await w.tell();
    expect(w.sent).toHaveLength(3);
  });

  it("omit changes of lower severity, and name what a receipt no longer lists", async () => {
    const w = world();
    w.land([written(1)]);
    await w.tell();
    const change = { from: ["active"], to: ["inactive", "mitigated"] };
    w.land([written(1, "Low")], { changed: [{ findingId: 1, ...change }], changedCount: 1 });
    expect(await w.tell()).toEqual({ outcome: "nothing" });
    w.land([written(1)], { changed: [{ findingId: 1, ...change }], changedCount: 150 });
    await w.tell();
    expect(w.sent[1]?.changed.count).toBe(150);
  });

  it("list only changes when the scan was synced before the first notification, even after a failure", async () => {
    const w = world();
    const changed = [{ findingId: 1, from: ["active"], to: ["inactive", "mitigated"] }];
    w.land([written(1, "High", { mitigated: true }), written(2)], { changed, changedCount: 1 });
    w.fates.push(new RelayError("webhook-unavailable", "down"));
    await relayErrorBy(() => w.tell());
    await w.tell();
    expect(w.sent).toMatchObject([{ new: { count: 0 }, changed: { count: 1 } }]);
  });

  it("give a number in read-only mode, once", async () => {
    const w = world();
    w.land([], { outcome: "imported", new: 4 });
    await w.tell();
    await w.tell();
    expect(w.sent).toMatchObject([{ new: { count: 4, findings: [] } }]);
  });

  it("are marked as sent without sending when asked to", async () => {
    const w = world();
    w.land([written(1)]);
    expect(await w.tell({ markOnly: true })).toEqual({ outcome: "nothing" });
    expect(await w.tell()).toEqual({ outcome: "nothing" });
    expect(w.sent).toEqual([]);
  });

  it("start over for a later run in the same folder", async () => {
    const w = world();
    w.storage.put(
      { ...FINDINGS, key: noticeKey(FINDINGS) },
      JSON.stringify({ version: 1, findings: "", jobKey: "before", told: [1] }),
    );
    w.land([written(1)]);
    await w.tell();
    expect(w.sent.map(ids)).toEqual([[1]]);
  });

  it("have the operator's title", async () => {
    const w = world();
    w.land([written(1)]);
    await w.tell({ title: "{product}/{scan}: {new} new, {changed} changed {odd}" });
    expect(w.sent[0]?.title).toBe("nmap-example/nmap-example: 1 new, 0 changed {odd}");
  });
});

describe("a message that fails", () => {
  const down = () => new RelayError("webhook-unavailable", "down");

  it("is resent under the same id", async () => {
    const w = world();
    w.land([written(1)]);
    const seen: string[] = [];
    w.while(async () => seen.push(w.state().sending.id));
    w.fates.push(down());
    expect(await relayErrorBy(() => w.tell())).toMatchObject({ reason: "webhook-unavailable" });
    await w.tell();
    expect(new Set(seen).size).toBe(1);
    expect(w.sent.map(({ id }) => id)).toEqual([seen[0]]);
  });

  it("is resent two minutes after its sender died, and not before", async () => {
    const w = world();
    w.land([written(1)]);
    const claimed = { id: "x", at: new Date(w.clock.now()).toISOString() };
    const state = { version: 1, findings: "", jobKey: aReceipt().jobKey, told: [], sending: claimed };
    w.storage.put({ ...FINDINGS, key: noticeKey(FINDINGS) }, JSON.stringify(state));
    expect(await relayErrorBy(() => w.tell())).toMatchObject({
      reason: "webhook-unavailable",
      errorClass: "transient",
    });
    w.clock.advance(120_001);
    expect(await w.tell()).toMatchObject({ outcome: "sent" });
    expect(w.state()).toMatchObject({ told: [1] });
    expect(w.state().sending).toBeUndefined();
  });

  it("is sent by only one of two concurrent senders", async () => {
    const w = world();
    w.land([written(1)]);
    const both = await Promise.allSettled([w.tell(), w.tell()]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(w.sent).toHaveLength(1);
    expect(await w.tell()).toEqual({ outcome: "nothing" });
  });

  it("starts over when its note is unreadable", async () => {
    const w = world();
    w.land([written(1)]);
    w.storage.put({ ...FINDINGS, key: noticeKey(FINDINGS) }, "{");
    expect(await w.tell()).toMatchObject({ outcome: "sent" });
    expect(w.observer.messages("warn")).toHaveLength(1);
  });
});
