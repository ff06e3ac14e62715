import { readAnnotations } from "../../lib/model/annotations.ts";
import { ANNOTATION_PREFIX, parseSidecar } from "../../lib/model/scan.ts";
import { type ReportSettings, reportAnnotations } from "../../lib/model/short-sidecar.ts";
import { CommandError } from "../command-error.ts";
import type { ChosenKind } from "./choose-kind.ts";

/** Identifies this upload. */
export interface UploadRun {
  readonly uid: string;
  /** ISO 8601 */
  readonly at: string;
}

/**
 * The small Scan beside a report: the run of this upload, the type of the report, and the options of the command line.
 * @param name of scan and test, and of the engagement if none is named
 * @param fileName of the report in the folder
 * @throws CommandError, RelayError `sidecar-invalid` for values that cannot be used
 */
export function reportScan(
  { name, fileName, run }: { readonly name: string; readonly fileName: string; readonly run: UploadRun },
  kind: Pick<ChosenKind, "importAs" | "scanType">,
  settings: ReportSettings,
): Record<string, unknown> {
  const annotations = { ...reportAnnotations(settings), "import-as": kind.importAs };
  const scan = {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: {
      name,
      namespace: "default",
      uid: run.uid,
      creationTimestamp: run.at,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [ANNOTATION_PREFIX + key, value]),
      ),
    },
    spec: { scanType: kind.scanType, parameters: [] },
    status: { rawResultFile: fileName, finishedAt: run.at },
  };
  const [unknown] = readAnnotations(parseSidecar(scan, "the command line"), "the command line").warnings;
  if (unknown !== undefined)
    throw new CommandError(unknown, "docs/features.md lists the annotations that --set takes.");
  return scan;
}
