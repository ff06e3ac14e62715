import type { Scan } from "../model/scan.ts";
import type { TestChange } from "../ports/defectdojo.ts";
import { cleanText, cutText } from "../util/text.ts";
import type { Imported, Prepared } from "./attempt.ts";

const LONGEST_PARAMETERS = 4_000;

/** Writes the test's title, description and dates. Those of a living test are its newest run's: an earlier one that continues leaves them. */
export async function describeInDojo(attempt: Imported): Promise<void> {
  if (attempt.living !== undefined && attempt.buildId !== attempt.key) return;
  await describeAsOwn(attempt, attempt.testId, attempt.importedAs);
}

/** Writes into a test of DefectDojo that it is this run's. */
export async function describeAsOwn({ job, options, ports }: Prepared, testId: number, scanType: string) {
  const now = new Date(ports.clock.now());
  await ports.dojo.updateTest(testId, describeTest(job.scan, options.testTitle, scanType, now));
}

/** When the run began, as its test says. */
export const startOf = ({ job, ports }: Prepared): Date => timesOf(job.scan, new Date(ports.clock.now())).start;

/** A test's description for people (scan type, start, end and parameters, in the reference hook's layout), and its dates. */
export function describeTest(scan: Scan, title: string, importedAs: string, now: Date): TestChange {
  const { start, end } = timesOf(scan, now);
  const parameters = cutText(scan.parameters.join(","), LONGEST_PARAMETERS);
  return {
    title,
    description: cleanText(
      [
        `# ${importedAs}`,
        `Started: ${scan.createdAt === undefined ? "n/a" : germanTime(start)}`,
        `Ended: ${germanTime(end)}`,
        `ScanType: ${scan.scanType}`,
        `Parameters: [${parameters}]`,
      ].join("\n"),
    ),
    start: start.toISOString(),
    end: end.toISOString(),
  };
}

/** When a scan began and ended, as far as known; the end is never before the start. */
export function timesOf(scan: Scan, now: Date): { readonly start: Date; readonly end: Date } {
  const end = new Date(scan.finishedAt ?? now);
  const start = scan.createdAt === undefined ? end : new Date(scan.createdAt);
  return { start: start <= end ? start : end, end };
}

/** dd.MM.yyyy HH:mm:ss in UTC, the reference hook's format. */
function germanTime(date: Date): string {
  const iso = date.toISOString();
  return `${iso.slice(8, 10)}.${iso.slice(5, 7)}.${iso.slice(0, 4)} ${iso.slice(11, 19)}`;
}
