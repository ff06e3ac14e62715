import { randomUUID } from "node:crypto";
import { Command, InvalidArgumentError } from "commander";
import { s3Client } from "../lib/aws/clients.ts";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { readStoreConfig, type StoreConfig } from "../lib/config.ts";
import { dropUndefined } from "../lib/model/scan.ts";
import type { ReportSettings } from "../lib/model/short-sidecar.ts";
import { CommandError } from "./command-error.ts";
import { operator, withOwnServers } from "./operator.ts";
import { print } from "./options.ts";
import { confirmOnTerminal, uploadReport } from "./report/upload-report.ts";
import { findScanFolders, uploadScan } from "./scan-folder.ts";
import { progressBar } from "./terminal/progress.ts";
import { describeResult } from "./wait/wait-result.ts";
import { failOnOption, timeoutOption, type WaitOptions, waitForAll } from "./wait.ts";

type Options = WaitOptions &
  Omit<ReportSettings, "tags" | "annotations"> & {
    readonly prefix: string;
    readonly json?: boolean;
    readonly wait?: boolean;
    readonly report?: string;
    readonly as?: string;
    readonly name?: string;
    readonly tag?: string[];
    readonly set?: Readonly<Record<string, string>>;
  };

interface Uploaded {
  readonly scan: string;
  readonly findingsKey: string;
}

/** `dojo-relay upload DIR…` or `--report FILE`: uploads scans in a safe order. */
export function uploadCommand(): Command {
  return withReportOptions(new Command("upload"))
    .description("upload scan folders (sidecar, raw result, findings), or the report of any scanner; the findings last")
    .argument("[dir...]", "folders of scans, or folders that hold such folders")
    .option("--prefix <prefix>", "target folder in the bucket", "")
    .option("--wait", "wait for the receipts, with the exit codes of `dojo-relay wait`")
    .addOption(timeoutOption())
    .addOption(failOnOption())
    .option("--json", "print an array of {scan, findingsKey} instead of lines; with --wait what `wait --json` prints")
    .addHelpText("after", UPLOAD_HELP)
    .action(upload);
}

function withReportOptions(command: Command): Command {
  return command
    .option("--report <file>", "the report of any scanner that DefectDojo reads, instead of folders")
    .option(
      "--as <type>",
      'type of the report: trivy, nmap, "SARIF" or any scan type of DefectDojo (default: guessed from the file)',
    )
    .option("--product <name>", "with --report: the product in DefectDojo")
    .option("--product-type <name>", "with --report: its product type")
    .option("--engagement <name>", "with --report: the engagement (default: the scan's name)")
    .option("--version <version>", "with --report: version of engagement and test")
    .option("--tag <tag>", "with --report: a tag of the test; may be repeated", (tag, all: string[] = []) => [
      ...all,
      tag,
    ])
    .option("--environment <name>", "with --report: DefectDojo's environment")
    .option("--branch <name>", "with --report: the branch that was scanned")
    .option("--commit <hash>", "with --report: the commit that was scanned")
    .option("--minimum-severity <severity>", "with --report: less severe findings are not imported")
    .option(
      "--set <annotation=value>",
      "with --report: any other annotation, without its prefix; may be repeated",
      parseSet,
    )
    .option("--name <name>", "with --report: the scan's name (default: the file's)");
}

async function upload(directories: string[], options: Options): Promise<void> {
  const { report, wait = false, json, failOn } = options;
  if ((report === undefined) === (directories.length === 0)) {
    throw new CommandError("upload takes folders, or one --report", "See dojo-relay upload --help.");
  }
  if (failOn !== undefined && !wait) throw new CommandError("--fail-on needs --wait", "Add --wait.");
  const config = readStoreConfig(withOwnServers(process.env));
  const uploaded =
    report === undefined ? await uploadFolders(directories, options, config) : [await send(report, options, config)];
  const addressOf = ({ findingsKey }: Uploaded) => `s3://${config.BUCKET}/${findingsKey}`;
  if (!wait) {
    print(uploaded, json, () => uploaded.map(addressOf).join("\n"));
    return;
  }
  for (const one of uploaded) process.stderr.write(`uploaded ${addressOf(one)}\n`);
  const all = uploaded.map(({ findingsKey }) => ({ bucket: config.BUCKET, key: findingsKey }));
  const results = await waitForAll(operator(process.env), all, options);
  print(results, json, () => results.map(describeResult).join("\n\n"));
}

async function send(report: string, options: Options, config: StoreConfig) {
  const { product, as, name } = options;
  if (product === undefined) {
    throw new CommandError("a report needs a product", 'Name the product in DefectDojo: --product "Web Shop".');
  }
  const run = { uid: randomUUID(), at: new Date().toISOString() };
  const storage = s3Storage(s3Client(config, process.env));
  const given = dropUndefined({ report, as, name, settings: reportSettings(product, options) });
  return await uploadReport(storage, given, target(options.prefix, config), { run, confirm: confirmOnTerminal });
}

function reportSettings(product: string, options: Options) {
  const { productType, engagement, version, tag: tags, environment, branch, commit, minimumSeverity } = options;
  const named = {
    productType,
    engagement,
    version,
    tags,
    environment,
    branch,
    commit,
    minimumSeverity,
    annotations: options.set,
  };
  return { product, ...dropUndefined(named) };
}

function target(prefix: string, { BUCKET, FINDINGS_NAME, SIDECAR_NAME }: StoreConfig) {
  return {
    bucket: BUCKET,
    prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`,
    findingsName: FINDINGS_NAME,
    sidecarName: SIDECAR_NAME,
  };
}

async function uploadFolders(directories: string[], { prefix }: Options, config: StoreConfig): Promise<Uploaded[]> {
  const folders = await findScanFolders(directories, config.FINDINGS_NAME);
  const s3 = s3Client(config, process.env);
  const bar = progressBar("uploaded", folders.length);
  const uploaded = [];
  for (const folder of folders) {
    uploaded.push(await uploadScan(s3, folder, target(prefix, config)));
    bar.advance(folder);
  }
  bar.stop();
  return uploaded;
}

function parseSet(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be ANNOTATION=VALUE, as in close-old-findings=true.");
  return { ...earlier, [text.slice(0, at).trim()]: text.slice(at + 1) };
}

const UPLOAD_HELP = `
Examples:
  $ AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 BUCKET=securecodebox dojo-relay upload scans/nmap-1
  $ dojo-relay upload scans --prefix nightly/ --json
  $ dojo-relay upload --report trivy.json --as trivy --product Shop --engagement main --version 1.4 --tag ci
  $ dojo-relay upload --report codeql.sarif --product Shop --set close-old-findings=true --wait --fail-on high:new

With --wait the exit codes are those of dojo-relay wait.`;
