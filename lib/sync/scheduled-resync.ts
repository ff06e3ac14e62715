import { uri } from "../model/object-keys.ts";
import type { FlowPorts } from "../types.ts";
import { resyncScans } from "./resync-scans.ts";
import type { ResyncSettings } from "./settings.ts";

export interface ResyncAnswer {
  readonly synced: number;
  readonly skipped: number;
  readonly failed: number;
  /** False if the time ran out before the last scan. */
  readonly whole: boolean;
}

/** No scan starts later than this before the function's end. Milliseconds. */
export const LEAST_TIME = 120_000;
const DAY = 86_400_000;

/** The scheduled resync: the scans that were imported in the last `days` days, until the time is up. A scan that fails is logged and counted. */
export async function scheduledResync(
  ports: FlowPorts,
  settings: Omit<ResyncSettings, "since" | "stop">,
  days: number,
  remainingMs: () => number,
): Promise<ResyncAnswer> {
  const { log, metrics, clock } = ports;
  const count = { synced: 0, skipped: 0, failed: 0 };
  const { bucket } = settings;
  let whole = true;
  const stop = () => {
    if (remainingMs() < LEAST_TIME) whole = false;
    return !whole;
  };
  const since = new Date(clock.now() - days * DAY);
  for await (const result of resyncScans(ports, { ...settings, since, stop })) {
    count[result.outcome]++;
    const object = uri({ bucket, key: result.key });
    if (result.outcome === "failed") log.error("a scan could not be resynced", { object, error: result.error });
    else log.debug(`resynced a scan: ${result.outcome}`, { object });
  }
  metrics.add("ScansResynced", count.synced);
  metrics.add("ResyncsFailed", count.failed);
  if (!whole) log.warn("the time ran out before the last scan: narrow RESYNC_PREFIX or RESYNC_DAYS", { ...count });
  return { ...count, whole };
}
