import type { NotifyConfig } from "../config.ts";
import type { NotifySettings } from "./notify-receipt.ts";

/** What telling of receipts needs, of the configuration. */
export function notifySettings(config: NotifyConfig): NotifySettings {
  return { format: config.NOTIFY_FORMAT, minimumSeverity: config.NOTIFY_MINIMUM_SEVERITY, title: config.NOTIFY_TITLE };
}
