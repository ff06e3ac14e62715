import { jobKey, jobRun, type ScanJob } from "../model/job.ts";
import type { Receipt, SyncMode } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import type { DefectDojo, Named } from "../ports/defectdojo.ts";
import type { UploadedCounts } from "../report/uploaded-counts.ts";
import { tally } from "./tally.ts";

/** What every receipt tells, whatever the outcome. */
interface Told {
  readonly job: ScanJob;
  readonly outcome: Receipt["outcome"];
  readonly place: { readonly productType: Named; readonly product: Named; readonly engagement: Named };
  readonly test: Named;
  readonly scanType: string;
  readonly importedAs: string;
  readonly syncMode: SyncMode;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly finishedAt: number;
}

/** The part of a receipt that says which scan it is of and where that is in DefectDojo. */
export function receiptHead(told: Told, { url }: Pick<DefectDojo, "url">) {
  const { job, place, test } = told;
  const { name, namespace, scanType, uid } = job.scan;
  const linked = (kind: Parameters<typeof url>[0], { id, name }: Named) => ({ id, name, url: url(kind, id) });
  return {
    version: 1,
    jobKey: jobKey(job),
    ...dropUndefined({ run: jobRun(job), sequencer: job.sequencer }),
    outcome: told.outcome,
    findingsKey: job.key,
    etag: job.etag,
    scan: dropUndefined({ name, namespace, scanType, uid }),
    scanType: told.scanType,
    importedAs: told.importedAs,
    syncMode: told.syncMode,
    productType: linked("product/type", place.productType),
    product: linked("product", place.product),
    engagement: linked("engagement", place.engagement),
    test: linked("test", test),
    startedAt: new Date(told.startedAt).toISOString(),
    finishedAt: new Date(told.finishedAt).toISOString(),
  } as const;
}

/** The receipt of a run that is not imported, as a later one is in its living test: it has no findings there. */
export function outdatedReceipt(
  told: Omit<Told, "outcome">,
  run: {
    readonly outdated: NonNullable<Receipt["outdated"]>;
    readonly uploaded: UploadedCounts | undefined;
    readonly warnings: readonly string[];
  },
  dojo: Pick<DefectDojo, "url">,
): Receipt {
  return {
    ...receiptHead({ ...told, outcome: "outdated" }, dojo),
    outdated: run.outdated,
    importMode: "reimport",
    ...dropUndefined({ uploaded: run.uploaded?.all }),
    ...tally(true).counts(),
    closed: 0,
    repairs: [],
    repairCount: 0,
    warnings: [...run.warnings],
    timings: { totalMs: told.finishedAt - told.startedAt },
  };
}
