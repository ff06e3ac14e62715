import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { substituteFor } from "../model/empty-reports.ts";
import { isBlank, type Report } from "./report.ts";

/**
 * A blank raw result in the form that DefectDojo's parser accepts: a clean scan then has its own type and closes what earlier ones found.
 * @param folder for a substitute document
 * @returns the report itself if it is not blank or accepted as it is
 */
export async function readableReport(report: Report, scanType: string, folder: string): Promise<Report> {
  if (!(await isBlank(report))) return report;
  const blank = (await readFile(report.path, "utf8")).replace(/^\ufeff/, "").trim();
  const substitute = substituteFor(scanType, blank, report.name);
  if (substitute === undefined) return report;
  const path = join(folder, "no-findings");
  await writeFile(path, substitute.content);
  return { path, name: substitute.name };
}
