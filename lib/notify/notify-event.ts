import { type RelayError, toRelayError } from "../errors.ts";
import { parseNotification } from "../ingest/notifications.ts";
import { findingsOfReceipt, isFindingsName, nameOf, uri } from "../model/object-keys.ts";
import { backoff } from "../util/backoff.ts";
import { type NotifyPorts, type NotifySettings, notifyReceipt } from "./notify-receipt.ts";

const FIRST_WAIT_MS = 1_000;
/** Time reserved for the end of the work. Milliseconds. */
const MARGIN_MS = 10_000;

/**
 * Sends the news of each receipt in a bucket's notification. If the receiver throttles or is unavailable, retries until the time is up.
 * @param remainingMs how long the delivery may still take
 * @returns how many messages were sent
 * @throws RelayError the first failure; the caller has the notification repeated, and what was sent is not sent again
 */
export async function notifyEvent(
  event: unknown,
  ports: NotifyPorts,
  settings: NotifySettings & { readonly findingsName: string; readonly bucket?: string | undefined },
  remainingMs: () => number,
): Promise<number> {
  const { log, metrics } = ports;
  let sent = 0;
  let failure: RelayError | undefined;
  for (const notification of parseNotification(event)) {
    if ("error" in notification) failure ??= notification.error;
    if (!("created" in notification)) continue;
    const { bucket, key } = notification.created;
    const findings = findingsOfReceipt({ bucket, key });
    if (findings === undefined || !isFindingsName(settings.findingsName, nameOf(findings.key))) continue;
    if (settings.bucket !== undefined && bucket !== settings.bucket) continue;
    try {
      const { outcome } = await untilOver(() => notifyReceipt(findings, ports, settings), ports, remainingMs);
      if (outcome === "sent") sent++;
    } catch (error) {
      const one = toRelayError(error, uri(findings));
      log.error("the news of a receipt could not be sent", { object: uri(findings), error: one });
      metrics.add("NoticesFailed");
      failure ??= one;
    }
  }
  if (failure !== undefined) throw failure;
  return sent;
}

/** Retries temporary failures, with growing waits or those that the receiver asks for. */
async function untilOver<T>(work: () => Promise<T>, { clock }: NotifyPorts, remainingMs: () => number): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const { errorClass, retryAfterSeconds } = toRelayError(error);
      const wait = Math.max(backoff(FIRST_WAIT_MS, attempt), (retryAfterSeconds ?? 0) * 1000);
      if (errorClass !== "transient" || remainingMs() - MARGIN_MS < wait) throw error;
      await clock.sleep(wait);
    }
  }
}
