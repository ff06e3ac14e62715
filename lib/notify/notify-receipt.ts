import { RelayError } from "../errors.ts";
import type { DojoSeverity } from "../model/annotations.ts";
import { type Notice, titleOf } from "../model/notice.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import { isReceiptOf, type Receipt } from "../model/receipt.ts";
import { countsIn } from "../model/verdicts.ts";
import type { Observer } from "../observe.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { Storage } from "../ports/storage.ts";
import type { Webhook } from "../ports/webhook.ts";
import { storedFindings } from "../report/report.ts";
import type { Clock } from "../util/clock.ts";
import { sha256 } from "../util/digest.ts";
import { redactAll } from "../util/secrets.ts";
import { changesKey } from "./changes.ts";
import { NOTICE_FORMATS, type NoticeFormat } from "./formats.ts";
import { type News, newsOf, webAddress } from "./news.ts";
import { isOvertaken, type NotifyState, notifyStore } from "./notify-state.ts";

export interface NotifyPorts extends Observer {
  readonly storage: Storage;
  readonly webhook: Webhook;
  readonly clock: Clock;
}

export interface NotifySettings {
  readonly format: NoticeFormat;
  /** Less severe findings are left out. */
  readonly minimumSeverity: DojoSeverity;
  /** Template of the title; default: the built-in title. */
  readonly title?: string | undefined;
  /** Marks everything as sent, and sends nothing. */
  readonly markOnly?: boolean;
}

/** `sent`: there was news. `nothing`: there was none, or it was sent before. */
export interface Notified {
  readonly outcome: "sent" | "nothing";
  readonly notice?: Notice;
}

/** Longer than sending may take: a sender silent for this long has died. Milliseconds. */
const CLAIM_MS = 120_000;

/**
 * Sends a receipt's news: new, real findings and changed verdicts. It is recorded before a message is
 * sent, and again afterwards: only one of two concurrent senders sends, and after a crash the message is sent again under the same id.
 * @param findings the findings that the receipt lies beside
 * @throws RelayError `webhook-…`, `storage-…`; `webhook-unavailable` if another process is sending right now
 */
export async function notifyReceipt(
  findings: ObjectRef,
  ports: NotifyPorts,
  settings: NotifySettings,
): Promise<Notified> {
  const { storage, log, webhook, clock, metrics } = ports;
  const receipt = (await readReceipt(storage, findings, log))?.receipt;
  if (receipt === undefined || receipt.outcome === "outdated" || !isReceiptOf(findings, receipt))
    return { outcome: "nothing" };
  const store = notifyStore(storage, findings, log);
  const stored = await store.read();
  const known = stored?.jobKey === receipt.jobKey ? stored : undefined;
  const { news, state, quiet, isOld } = await readNews(findings, receipt, known, { storage, settings });
  if (quiet || settings.markOnly === true) {
    if (known === undefined || !saysTheSame(known, state)) await store.write(state);
    return { outcome: "nothing" };
  }
  const notice = noticeOf(findings, receipt, news, settings);
  const { sending } = known ?? {};
  // One from the future is a forgery, or by a clock that was corrected.
  if (sending !== undefined && Math.abs(clock.now() - Date.parse(sending.at)) < CLAIM_MS)
    throw busy(findings, "another is sending it");
  const before: NotifyState = known ?? { ...state, told: isOld ? state.told : [], changes: undefined };
  try {
    await store.write({ ...before, sending: { id: notice.id, at: new Date(clock.now()).toISOString() } });
  } catch (error) {
    throw isOvertaken(error) ? busy(findings, "another is sending it", error) : error;
  }
  try {
    await webhook.send(redactAll(NOTICE_FORMATS[settings.format](notice)), notice.id);
  } catch (error) {
    await store.write({ ...before, sending: undefined });
    throw error;
  }
  await store.write(state);
  log.info("sent the news of a receipt", {
    object: uri(findings),
    new: notice.fresh.count,
    changed: notice.changed.count,
  });
  metrics.add("NoticesSent");
  return { outcome: "sent", notice };
}

interface ReadNews {
  readonly news: News;
  /** The state after this news is sent. */
  readonly state: NotifyState;
  /** There is nothing to tell. */
  readonly quiet: boolean;
  /** The scan was synced before notifications were used: its findings are not news. */
  readonly isOld: boolean;
}

async function readNews(
  findings: ObjectRef,
  receipt: Receipt,
  known: NotifyState | undefined,
  { storage, settings }: { storage: Storage; settings: NotifySettings },
): Promise<ReadNews> {
  const key = changesKey(receipt);
  const changed = key === undefined || key === known?.changes ? {} : receipt;
  const told = new Set(known?.told);
  const { minimumSeverity } = settings;
  const news =
    receipt.outcome === "synced"
      ? await newsOf(storedFindings(storage, findings), told, changed, minimumSeverity)
      : uncounted(known === undefined ? receipt.new : 0);
  const state: NotifyState = {
    version: 1,
    findings: uri(findings),
    jobKey: receipt.jobKey,
    told: [...told, ...news.freshIds],
    changes: key,
  };
  const isOld = known === undefined && receipt.changedCount !== undefined;
  const shown = isOld ? { ...news, fresh: { count: 0, shown: [] } } : news;
  return { news: shown, state, quiet: shown.fresh.count === 0 && shown.changed.count === 0, isOld };
}

/** In read-only mode findings.json does not say which they are. */
const uncounted = (count: number): News => ({
  fresh: { count, shown: [] },
  freshIds: [],
  changed: { count: 0, shown: [] },
});

function noticeOf(findings: ObjectRef, receipt: Receipt, news: News, { title }: NotifySettings): Notice {
  const { scan, importedAs, product, engagement, test } = receipt;
  const notice = {
    scan: { name: scan.name, scanType: scan.scanType, importedAs },
    product: product.name,
    engagement: engagement.name,
    test: { name: test.name, url: webAddress(test.url) },
    findings: uri(findings),
    counts: countsIn(receipt),
    fresh: news.fresh,
    changed: news.changed,
  };
  const id = sha256(JSON.stringify([receipt.jobKey, news.freshIds, news.fresh.count, news.changed])).slice(0, 32);
  return { id, title: titleOf(notice, title), ...notice };
}

const saysTheSame = (a: NotifyState, b: NotifyState) =>
  a.sending === undefined && a.changes === b.changes && a.told.length === b.told.length;

function busy(findings: ObjectRef, why: string, cause?: unknown): RelayError {
  return new RelayError("webhook-unavailable", `${uri(findings)}: ${why}`, { object: uri(findings), cause });
}
