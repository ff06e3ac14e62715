import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { readStoreConfig } from "../lib/config.ts";
import { describeError } from "../lib/errors.ts";
import { lossOf } from "../lib/model/receipt.ts";
import type { Progress } from "../lib/progress.ts";
import { print } from "./options.ts";
import { type Service, startService } from "./runtime/service.ts";
import { serviceLog } from "./runtime/service-log.ts";
import { uploadScan } from "./scan-folder.ts";
import { untilSignalled } from "./start.ts";
import { progressBar } from "./terminal/progress.ts";
import { table } from "./terminal/table.ts";

const SAMPLES = fileURLToPath(new URL("../infra/local/scans", import.meta.url));

/** One line a scan of what `npm start` shows. */
interface Row {
  readonly scan: string;
  readonly scanType: string;
  readonly importedAs: string;
  /** What the scanner found, before what is written. */
  readonly uploaded: number;
  readonly findings: number;
  readonly new: number;
  readonly duplicates: number;
  readonly falsePositives: number;
  readonly testUrl: string;
  readonly syncedKey: string;
  readonly outcome: string;
  /** Where DefectDojo keeps less than was uploaded. */
  readonly loss: string;
}

/** The main job on the embedded default: the sample scans through the runtime into a stand-in DefectDojo and back. */
async function demo({ once = false, json = false }: { once?: boolean; json?: boolean }): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-demo-"));
  const log = serviceLog(once && json ? "info" : "warn");
  const rows = new Map<string, Row>();
  const watched = new Map<string, (row: Row) => void>();
  const onProgress = (progress: Progress) => {
    const row = toRow(progress);
    if (row !== undefined) watched.get(progress.job.key)?.(row);
  };
  const standin = process.env["DEFECTDOJO_URL"] ? undefined : await startSampleDojo();
  let service: Service | undefined;
  try {
    const env = {
      PORT: "0",
      DATA_DIR: dataDir,
      POLL_SECONDS: "0.2",
      DEDUPLICATION_QUIET_SECONDS: "1",
      ...process.env,
      ...standin?.env,
    };
    service = await startService(env, log, onProgress);
    const { FINDINGS_NAME } = readStoreConfig(process.env);
    const samples = (await readdir(SAMPLES)).sort();
    const bar = progressBar("synced", samples.length);
    const finished = samples.map(
      (sample) =>
        new Promise<void>((resolve) => {
          watched.set(`${sample}/${FINDINGS_NAME}`, (row) => {
            rows.set(sample, row);
            bar.advance(sample);
            resolve();
          });
        }),
    );
    for (const sample of samples) {
      await uploadScan(service.clients.s3, join(SAMPLES, sample), {
        bucket: service.bucket,
        prefix: "",
        findingsName: FINDINGS_NAME,
      });
    }
    await Promise.all(finished);
    bar.stop();
    const shown = samples.flatMap((sample) => rows.get(sample) ?? []);
    print(shown, json, () => `\n${table(shown)}`);
    if (shown.some(({ outcome }) => outcome !== "synced")) process.exitCode = 1;
    if (once) return;
    process.stderr.write(invitation(service, standin !== undefined));
    await untilSignalled();
  } finally {
    await service?.stop();
    await standin?.close();
    await rm(dataDir, { recursive: true, force: true });
  }
  // A handler that was cut off may still wait for DefectDojo, and is not waited for.
  process.exit();
}

/** A DefectDojo of the tests, with some of the samples' findings already known so that there is something to see. */
async function startSampleDojo() {
  const { startStandin } = await import("../infra/local/defectdojo/server.ts");
  const { url, apiKey, close } = await startStandin();
  return { env: { DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: apiKey }, close };
}

const NOTHING = {
  importedAs: "",
  uploaded: 0,
  findings: 0,
  new: 0,
  duplicates: 0,
  falsePositives: 0,
  testUrl: "",
  syncedKey: "",
  loss: "",
};

function toRow(progress: Progress): Row | undefined {
  const { job } = progress;
  const scan = job.scan?.name ?? job.key;
  const scanType = job.scan?.scanType ?? "";
  const nothing = (outcome: string) => ({ scan, scanType, ...NOTHING, outcome });
  if (progress.state === "failed") {
    return nothing(`failed: ${progress.error.reason}: ${describeError(progress.error, 200)}`);
  }
  if (progress.state !== "done") return undefined;
  const { outcome, receipt, why } = progress.outcome;
  if (receipt === undefined) return nothing(why === undefined ? outcome : `${outcome}: ${why}`);
  return {
    scan,
    scanType,
    importedAs: receipt.importedAs,
    uploaded: receipt.uploaded?.count ?? 0,
    findings: receipt.findings.count,
    new: receipt.new,
    duplicates: receipt.duplicates,
    falsePositives: receipt.falsePositives,
    testUrl: receipt.test.url,
    syncedKey: job.key,
    outcome,
    loss: lossOf(receipt) ?? "",
  };
}

function invitation({ url, s3Endpoint, bucket, dojoUrl, generatedToken }: Service, standin: boolean): string {
  return `
The service goes on until Ctrl-C.
  page, health, metrics   ${url}/  ${url}/healthz  ${url}/metrics
  token of the page       ${generatedToken ?? "WEBHOOK_TOKEN"}
  bucket                  s3://${bucket} at ${s3Endpoint} (path style, any credentials)
  DefectDojo              ${dojoUrl}${standin ? " (a stand-in of the tests: an API without pages)" : ""}
Drop further scans from another terminal:
  AWS_ENDPOINT_URL_S3=${s3Endpoint} npx dojo-relay upload DIR…
`;
}

await new Command("npm start --")
  .description("The main job on the embedded default: sample scans into DefectDojo and back. Logs go to stderr.")
  .option("--once", "end when the sample scans are done; exit 1 if any failed")
  .option("--json", "print an array with an object a scan instead of a table")
  .action(demo)
  .parseAsync(process.argv);
