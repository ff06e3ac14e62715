import { expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import { notifyEvent } from "../../../lib/notify/notify-event.ts";
import { aReceipt, FINDINGS } from "../../helpers/factories.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const record = (key: string, bucket = FINDINGS.bucket) => ({
  eventName: "ObjectCreated:Put",
  s3: { bucket: { name: bucket }, object: { key, eTag: "e" } },
});
const RECEIPT = receiptOf(FINDINGS).key;

function world(fates: (Error | undefined)[] = []) {
  const storage = memoryStorage();
  const finding = {
    name: "f",
    severity: "HIGH",
    attributes: { "defectdojo.org/finding-id": 1, "defectdojo.org/severity": "High", active: true },
  };
  storage.put(FINDINGS, JSON.stringify([finding]));
  storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt()));
  const clock = fakeClock();
  const observer = recorder();
  let sent = 0;
  const webhook = {
    send: async () => {
      const fate = fates.shift();
      if (fate !== undefined) throw fate;
      sent++;
    },
  };
  const end = clock.now() + 300_000;
  const settings = {
    ...({ format: "json", minimumSeverity: "Medium", findingsName: "findings.json", bucket: FINDINGS.bucket } as const),
  };
  return {
    ...{ clock, observer },
    sent: () => sent,
    tell: (...records: object[]) =>
      notifyEvent({ Records: records }, { ...observer, storage, webhook, clock }, settings, () => end - clock.now()),
  };
}

it("reports receipts that land in the bucket, and nothing else", async () => {
  const w = world();
  expect(
    await w.tell(
      record(RECEIPT),
      record(FINDINGS.key),
      record("x/defectdojo.pending.json"),
      record(RECEIPT, "another"),
    ),
  ).toBe(1);
  expect(w.sent()).toBe(1);
  expect(await w.tell(record(RECEIPT))).toBe(0);
});

it("waits as long as a throttling receiver asks, and releases the rest", async () => {
  const busy = (retryAfterSeconds: number) => new RelayError("webhook-unavailable", "HTTP 429", { retryAfterSeconds });
  const w = world([busy(30), busy(1)]);
  expect(await w.tell(record(RECEIPT))).toBe(1);
  expect(w.clock.slept[0]).toBe(30_000);
  const late = world([busy(600)]);
  expect(await relayErrorBy(() => late.tell(record(RECEIPT)))).toMatchObject({ reason: "webhook-unavailable" });
  expect(late.clock.slept).toEqual([]);
  expect(late.observer.counts.get("NoticesFailed")).toBe(1);
});

it("releases a rejected message at once, and sends the others", async () => {
  const w = world([new RelayError("webhook-refused", "HTTP 404")]);
  expect(await relayErrorBy(() => w.tell(record(RECEIPT), record(RECEIPT)))).toMatchObject({
    reason: "webhook-refused",
  });
  expect(w.sent()).toBe(1);
});

it("names what is malformed", async () => {
  expect(await relayErrorBy(() => world().tell({ nonsense: true }))).toMatchObject({ reason: "event-invalid" });
});
