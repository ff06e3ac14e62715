import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline/promises";
import { companionOf, isFindingsName, sibling } from "../../lib/model/object-keys.ts";
import type { ReportSettings } from "../../lib/model/short-sidecar.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import { CommandError } from "../command-error.ts";
import { contentTypeOf } from "../scan-folder.ts";
import { printableLine } from "../terminal/printable.ts";
import { type ChosenKind, chooseKind, slug } from "./choose-kind.ts";
import { openReport, type ReportFile } from "./report-file.ts";
import { reportScan, type UploadRun } from "./report-scan.ts";

/** A report and its options of the command line. */
export interface ReportToUpload {
  readonly report: string;
  readonly as?: string;
  readonly name?: string;
  readonly settings: ReportSettings & { readonly product: string };
}

/** The target and the object names of uploads. */
export interface ReportTarget {
  readonly bucket: string;
  /** With its trailing slash, or "". */
  readonly prefix: string;
  /** FINDINGS_NAME: a name, or a pattern with one `*`. */
  readonly findingsName: string;
  readonly sidecarName: string;
}

export interface UploadedReport {
  readonly scan: string;
  readonly importAs: string;
  readonly findingsKey: string;
}

/** Asks the user; missing without a terminal. */
export type Confirm = (question: string) => Promise<boolean>;

/**
 * Uploads a report into its own folder, like a scan: a small Scan, the report, and finally empty findings. DefectDojo's parser fills
 * them.
 * @throws CommandError if the type of the report is unknown, or the user declines
 */
export async function uploadReport(
  storage: Storage,
  { report, as, name, settings }: ReportToUpload,
  target: ReportTarget,
  { run, confirm }: { readonly run: UploadRun; readonly confirm: Confirm },
): Promise<UploadedReport> {
  const file = await openReport(report);
  const kind = await agree(chooseKind(as, file.start, basename(report)), report, confirm);
  const scanName = name ?? slug(basename(report).replace(/(?<=.)\.[^.]*$/, ""));
  const folder = `${target.prefix}${slug(settings.product)}/${slug(scanName)}-${stamp(run)}/`;
  const findings = { bucket: target.bucket, key: `${folder}${target.findingsName.replace("*", slug(scanName))}` };
  const fileName = plainName(file, target);
  const scan = reportScan({ name: scanName, fileName, run }, kind, settings);
  const json = { contentType: "application/json" };
  await storage.write(companionOf(findings, target.sidecarName), `${JSON.stringify(scan, undefined, 1)}\n`, json);
  const body = file.size === 0 ? new Uint8Array() : createReadStream(file.path);
  await storage.write(sibling(findings, fileName), body, { contentType: contentTypeOf(fileName) });
  await storage.write(findings, "[]\n", json);
  return { scan: scanName, importAs: kind.importAs, findingsKey: findings.key };
}

/** Prints a guess or a contradiction; asks the user to confirm a guess. */
async function agree(kind: ChosenKind, report: string, confirm: Confirm): Promise<ChosenKind> {
  if (kind.warning !== undefined) process.stderr.write(`warning: ${printableLine(kind.warning)}\n`);
  if (!kind.guessed) return kind;
  if (await confirm(`${report} is imported as "${kind.importAs}"`)) return kind;
  throw new CommandError(`${report} is not uploaded`, "Set its type with --as.");
}

/** Prints what is done; asks for confirmation on a terminal. */
export const confirmOnTerminal: Confirm = async (statement) => {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    process.stderr.write(`${printableLine(statement)}, judging by its content (override with --as)\n`);
    return true;
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return !/^n/i.test((await asking.question(`${printableLine(statement)}. Is that right? [Y/n] `)).trim());
  } finally {
    asking.close();
  }
};

/** The folder's suffix: when it was uploaded, and a part of its id. */
const stamp = ({ at, uid }: UploadRun) => `${at.slice(0, 19).replace(/[-:]/g, "").toLowerCase()}z-${uid.slice(0, 8)}`;

/** The report's own name, unless an object of the relay has it. */
function plainName({ path }: ReportFile, { findingsName, sidecarName }: ReportTarget): string {
  const name = basename(path);
  const taken =
    name === sidecarName || isFindingsName(findingsName, name) || /^(defectdojo|findings|scan)\./.test(name);
  return taken ? `report-${name}.${name.slice(name.lastIndexOf(".") + 1)}` : name;
}
