import { RelayError } from "../errors.ts";
import { messageGroup } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { dropUndefined } from "../model/scan.ts";
import type { Deduplicated } from "./attempt.ts";

/**
 * Records which scan the test belongs to, for `follow`. This happens before the findings are read back: a verdict made from now on finds the entry, and one
 * made before is read. Without permission to write there, verdicts wait for the daily resync.
 */
export async function indexTest({ job, upload, key, testId, living, ports, settings }: Deduplicated): Promise<void> {
  if (ports.index === undefined || !settings.syncBack) return;
  const importedAt = new Date(ports.clock.now()).toISOString();
  const entry = {
    ...{ key: job.key, etag: upload.etag, jobKey: key, group: messageGroup(job), importedAt },
    ...dropUndefined({ recordedAt: living?.record?.recordedAt }),
  };
  try {
    await ports.index(job.bucket).put(testId, { version: 1, ...entry });
  } catch (error) {
    if (!(error instanceof RelayError) || error.reason !== "storage-forbidden") throw error;
    ports.log.warn("verdicts of this scan are not followed: the relay may not write its index", {
      object: uri(job),
      error,
    });
  }
}
