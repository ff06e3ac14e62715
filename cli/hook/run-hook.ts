import { rm } from "node:fs/promises";
import { type Env, type HookConfig, readHookConfig } from "../../lib/config.ts";
import { dojoPort } from "../../lib/defectdojo/dojo-port.ts";
import { checkpointStore } from "../../lib/importer/checkpoint.ts";
import { importJob } from "../../lib/importer/import-job.ts";
import { readAnnotations } from "../../lib/model/annotations.ts";
import { selects } from "../../lib/model/hook-selector.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { parseSidecar, type Scan } from "../../lib/model/scan.ts";
import { warnOfTypos } from "../../lib/model/typos.ts";
import { type Log, withFields } from "../../lib/observe.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import type { JobOutcome } from "../../lib/progress.ts";
import { flowSettings } from "../../lib/settings.ts";
import { type Clock, systemClock } from "../../lib/util/clock.ts";
import { type ScanSource, scanFile, scanResource } from "./kubernetes.ts";
import { presignedHttp } from "./presigned-http.ts";
import { openPresigned, type PresignedUrls } from "./presigned-storage.ts";
import { parsePresignedUrl } from "./presigned-url.ts";
import { type RetryLimits, retry } from "./retry.ts";
import { makeScratch } from "./scratch.ts";

export interface HookRun {
  /** RAW_URL FINDINGS_URL, and in read-and-write mode RAW_UPLOAD_URL FINDINGS_UPLOAD_URL. */
  readonly urls: readonly string[];
  readonly env: Env;
  readonly log: Log;
  /** The Scan as a file, instead of from the Kubernetes API. */
  readonly scan?: string | undefined;
  readonly clock?: Clock;
  /** Of the service account's files. */
  readonly rootFolder?: string;
}

export interface HookResult {
  readonly scan: Scan;
  readonly outcome: JobOutcome["outcome"] | "not-selected" | "do-not-import";
  readonly receipt?: Receipt;
  /** Whether `Scan.status.findings` was patched. */
  readonly patched: boolean;
}

/** Patching comes after the deadline too: everything else is done then. */
const PATCH_GRACE_MS = 60_000;

/**
 * What the reference hook does, by the relay's own flow: the Scan, its results behind presigned URLs, the import, in read-and-write mode the findings with
 * DefectDojo's verdicts and the counts in the Scan's status.
 * @throws RelayError the hook failed; a restart continues from what is done
 */
export async function runHook(run: HookRun): Promise<HookResult> {
  const { env, log, clock = systemClock } = run;
  const config = readHookConfig(env);
  warnOfOldNames(config, log);
  warnOfTypos(env, log);
  const urls = parseUrls(run.urls);
  const dojo = dojoPort(config, env);
  const source =
    run.scan === undefined
      ? await scanResource(config, env, config.IS_DEV ?? config.DEFECTDOJO_IS_DEV, run.rootFolder)
      : scanFile(run.scan);
  const deadline = clock.now() + config.HOOK_TIMEOUT_SECONDS * 1000;
  const limits: RetryLimits = { clock, log, deadline, maxFailures: config.MAX_FAILURES };

  const scan = parseSidecar(await retry(() => source.read(), limits), source.name);
  const unwanted = whyUnwanted(scan, config, source);
  if (unwanted !== undefined) {
    log.info(`nothing is imported: ${unwanted}`, { scan: source.name });
    return { scan, outcome: unwanted, patched: false };
  }
  const { outcome, receipt, why } = await importScan({ urls, scan }, { config, env }, dojo, limits);
  if (outcome === "superseded") {
    // Not a failure: the operator would restart the hook, which would mistake the current findings for its own and overwrite them.
    log.error("findings.json is not written: somebody else changed it in the meantime", {
      object: urls.findings.where,
      why,
    });
    return { scan, outcome, patched: false };
  }
  const patched = receipt?.outcome === "synced" && (await patchStatus(source, receipt, limits));
  return { scan, outcome, patched, ...(receipt === undefined ? {} : { receipt }) };
}

async function importScan(
  { urls, scan: found }: { readonly urls: PresignedUrls; readonly scan: Scan },
  { config, env }: { readonly config: HookConfig; readonly env: Env },
  dojo: DefectDojo,
  limits: RetryLimits,
): Promise<JobOutcome> {
  const { clock, deadline } = limits;
  const log = withFields(limits.log, { object: urls.findings.where });
  const settings = flowSettings(config);
  const syncBack = settings.syncBack && urls.findingsUpload !== undefined;
  const rawResultFile = found.rawResultFile ?? (urls.raw.name === "" ? undefined : urls.raw.name);
  const scan = { ...found, ...(rawResultFile === undefined ? {} : { rawResultFile }) };
  const folder = await makeScratch(log);
  try {
    const options = {
      http: presignedHttp({ clock, proxyEnv: env }),
      clock,
      log,
      scanId: scan.uid ?? `${scan.namespace}/${scan.name}`,
      rawResultFile,
      folder,
      keepOriginal: settings.syncMode !== "replace",
    };
    const { storage, job } = await retry(() => openPresigned(urls, options), limits);
    const ports = {
      storage,
      dojo,
      clock,
      log,
      metrics: { add: () => undefined },
      pending: checkpointStore(storage, log),
    };
    const delivery = { remainingMs: () => deadline - clock.now() };
    return await retry(
      () =>
        importJob(
          { version: 1, kind: "import", ...job, scan, keyedBy: "upload" },
          ports,
          { ...settings, syncBack },
          delivery,
        ),
      limits,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function patchStatus(source: ScanSource, receipt: Receipt, limits: RetryLimits): Promise<boolean> {
  const { patchFindings } = source;
  if (patchFindings === undefined) {
    limits.log.info("the Scan is a file: its status is not patched", { scan: source.name });
    return false;
  }
  const deadline = Math.max(limits.deadline, limits.clock.now() + PATCH_GRACE_MS);
  await retry(() => patchFindings(receipt.findings), { ...limits, deadline });
  return true;
}

/** @throws RelayError `config-invalid` */
function parseUrls([raw, findings, rawUpload, findingsUpload]: readonly string[]): PresignedUrls {
  const at = (text: string | undefined, what: string) => parsePresignedUrl(text ?? "", what);
  const urls = { raw: at(raw, "RAW_URL"), findings: at(findings, "FINDINGS_URL") };
  if (rawUpload === undefined && findingsUpload === undefined) return urls;
  at(rawUpload, "RAW_UPLOAD_URL");
  return { ...urls, findingsUpload: at(findingsUpload, "FINDINGS_UPLOAD_URL") };
}

/** The operator has already matched the hookSelector against the hook's labels; labels that are set here too are matched once more. */
function whyUnwanted(
  scan: Scan,
  { DEFECTDOJO_HOOK_LABELS: labels }: HookConfig,
  source: ScanSource,
): "not-selected" | "do-not-import" | undefined {
  if (labels !== undefined && !selects(scan.hookSelector, labels)) return "not-selected";
  return readAnnotations(scan, source.name).options.doNotImport ? "do-not-import" : undefined;
}

function warnOfOldNames(config: HookConfig, log: Log): void {
  if (config.IS_DEV !== undefined) log.warn("IS_DEV is deprecated: use DEFECTDOJO_IS_DEV instead");
  if (config.DEFECTDOJO_REFETCH_WAIT_SECONDS !== undefined) {
    log.warn("DEFECTDOJO_REFETCH_WAIT_SECONDS is deprecated and ignored: the hook waits for the end of deduplication");
  }
}
