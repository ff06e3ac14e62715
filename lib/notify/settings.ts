import type { NotifyConfig } from "../config.ts";
import type { NotifySettings } from "./notify-receipt.ts";

/** The part of the configuration that notifications need. */
export function notifySettings(config: NotifyConfig): NotifySettings {
  return { format: config.NOTIFY_FORMAT, minimumSeverity: config.NOTIFY_MINIMUM_SEVERITY, title: config.NOTIFY_TITLE };
}
