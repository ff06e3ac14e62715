import * as z from "zod";
import { RelayError } from "../errors.ts";
import { arrayOf, recordOf } from "../util/first-bad.ts";
import { describeIssues } from "../util/issues.ts";
import { usableText } from "../util/usable-text.ts";
import { ANNOTATION_PREFIX, parseSidecar, type Scan } from "./scan.ts";
import { scanTypeOfFamily } from "./scan-types.ts";

const some = () => usableText().min(1);

/**
 * The short form of a sidecar, written by hand for reports from outside secureCodeBox. Its fields are the options of `dojo-relay upload --report`.
 */
const shortSidecarSchema = z.strictObject({
  /** A scan type of secureCodeBox (`trivy`, `nmap`) or any of DefectDojo's (`SARIF`). */
  scanType: some().max(200),
  product: some(),
  /** Name of the report's file in the folder; default: the only other file there. */
  report: some().max(255).optional(),
  /** Name of scan and test. */
  name: some().max(253).optional(),
  /** Identifies the run; without it, the time at which the sidecar was written does. */
  run: some().max(64).optional(),
  productType: some().optional(),
  engagement: some().optional(),
  version: some().optional(),
  tags: z.union([arrayOf(some()), some().transform((text) => [text])]).optional(),
  environment: some().optional(),
  branch: some().optional(),
  commit: some().optional(),
  minimumSeverity: some().optional(),
  /** Any other annotation, without its prefix. */
  annotations: recordOf(usableText()).optional(),
});

type ShortSidecar = z.infer<typeof shortSidecarSchema>;

/** Fields of the short form that are annotations of a Scan. The command line's options have the same names. */
const ANNOTATION_OF = {
  product: "product-name",
  productType: "product-type-name",
  engagement: "engagement-name",
  version: "engagement-version",
  tags: "test-tags",
  environment: "environment",
  branch: "branch-tag",
  commit: "commit-hash",
  minimumSeverity: "minimum-severity",
} as const satisfies Partial<Record<keyof ShortSidecar, string>>;

/** The settings of a report, from a short sidecar or a command line. */
export type ReportSettings = Partial<Pick<ShortSidecar, keyof typeof ANNOTATION_OF | "annotations">>;

/** The annotations that these settings stand for, without their prefix. */
export function reportAnnotations(settings: ReportSettings): Record<string, string> {
  const named = Object.entries(ANNOTATION_OF).flatMap(([field, annotation]) => {
    const value = settings[field as keyof typeof ANNOTATION_OF];
    if (value === undefined) return [];
    return [[annotation, typeof value === "string" ? value : value.join(",")]];
  });
  return { ...settings.annotations, ...Object.fromEntries(named) };
}

/** Whether a sidecar is in the short form: a Scan has `metadata` and `spec`. */
export function isShortSidecar(content: unknown): boolean {
  return (
    typeof content === "object" &&
    content !== null &&
    "scanType" in content &&
    !("metadata" in content) &&
    !("spec" in content)
  );
}

/**
 * @param content parsed JSON or YAML
 * @param object where it lies, for the error
 * @throws RelayError `sidecar-invalid`, naming every bad field
 */
export function parseShortSidecar(content: unknown, object: string): ShortSidecar {
  const parsed = shortSidecarSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const message = `${object} is neither a Scan nor its short form: ${describeIssues(parsed.error)}`;
  throw new RelayError("sidecar-invalid", message, { object });
}

/** What the folder adds to a short sidecar. */
export interface Surroundings {
  /** When the sidecar was written: every upload of it is a new run, unless it names its run. */
  readonly writtenAt: Date | undefined;
  /** The report's file; undefined if there is none. */
  readonly report: string | undefined;
}

/**
 * The Scan that a short sidecar stands for.
 * @throws RelayError `sidecar-invalid`
 */
export function scanOfShort(short: ShortSidecar, { writtenAt, report }: Surroundings, object: string): Scan {
  const importAs = scanTypeOfFamily(short.scanType) ?? short.scanType;
  const annotations = { "import-as": importAs, ...reportAnnotations(short) };
  const prefixed = Object.entries(annotations).map(([name, value]) => [ANNOTATION_PREFIX + name, value]);
  return parseSidecar(
    {
      metadata: {
        name: short.name ?? short.scanType,
        uid: short.run,
        creationTimestamp: writtenAt?.toISOString(),
        annotations: Object.fromEntries(prefixed),
      },
      spec: { scanType: short.scanType },
      status: { rawResultFile: report },
    },
    object,
  );
}
