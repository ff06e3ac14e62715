import * as z from "zod";
import { RelayError } from "../errors.ts";
import { arrayOf, recordOf } from "../util/first-bad.ts";
import { describeIssues } from "../util/issues.ts";
import { isUsable, UNUSABLE, usableText } from "../util/usable-text.ts";

/** secureCodeBox's annotation prefix for this integration. */
export const ANNOTATION_PREFIX = "defectdojo.securecodebox.io/";

/** Annotations of secureCodeBox's cascading-scans hook with a scan's origin (`hooks/cascading-scans/hook/hook.ts`). */
const PARENT_SCAN = "cascading.securecodebox.io/parent-scan";
const CHAIN = "cascading.securecodebox.io/chain";
const CASCADE_ANNOTATIONS = [PARENT_SCAN, CHAIN];

const matchExpression = z.object({
  key: usableText().min(1),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
  values: arrayOf(usableText()).nullish(),
});

const hookSelector = z.object({
  matchLabels: recordOf(usableText()).nullish(),
  matchExpressions: arrayOf(matchExpression).nullish(),
});

/**
 * A file in the scan's own folder: neither a path nor anything that could be injected into a header or query.
 */
const fileName = usableText()
  .min(1)
  .max(255)
  .refine((name) => !/[\/\\[\p{Cc}--[\u0080-\u009f]]]/v.test(name) && name !== "." && name !== "..", {
    message: "must be a plain file name in the scan's folder",
  });

/**
 * The Scan resource as `kubectl get scan NAME -o json` prints it: only the fields in use.
 * https://www.securecodebox.io/docs/api/crds/scan
 */
const sidecarSchema = z.object({
  metadata: z.object({
    name: usableText().min(1).max(253),
    namespace: usableText().min(1).max(253).default("default"),
    uid: usableText().max(64).nullish(),
    creationTimestamp: z.iso.datetime({ offset: true }).nullish(),
    annotations: recordOf(z.string()).nullish(),
    ownerReferences: arrayOf(z.object({ kind: z.string(), name: usableText().min(1) })).nullish(),
  }),
  spec: z.object({
    scanType: usableText().min(1).max(200),
    parameters: arrayOf(usableText()).nullish(),
    hookSelector: hookSelector.nullish(),
  }),
  status: z
    .object({
      rawResultType: usableText().max(200).nullish(),
      rawResultFile: fileName.nullish(),
      finishedAt: z.iso.datetime({ offset: true }).nullish(),
    })
    .nullish(),
});

/** Without their prefix. Annotations of others are ignored. */
const ownAnnotationsSchema = recordOf(usableText()).refine((all) => Object.keys(all).every(isUsable), UNUSABLE);

/** The Scan's fields in the job: flat, and only what the importer needs. */
export const scanSchema = z.object({
  name: usableText().min(1),
  namespace: usableText().min(1),
  uid: usableText().optional(),
  scanType: usableText().min(1),
  parameters: arrayOf(usableText()),
  /** Annotations of {@link ANNOTATION_PREFIX}, without the prefix. */
  annotations: ownAnnotationsSchema,
  /** Name of the ScheduledScan that created this scan. */
  scheduledBy: usableText().optional(),
  /** For a cascaded scan: the scan that started the cascade, without its run, and the rules that led here. */
  cascade: z.object({ root: usableText().min(1), rules: z.array(usableText()).min(1) }).optional(),
  /** ISO 8601 */
  createdAt: z.string().optional(),
  /** ISO 8601 */
  finishedAt: z.string().optional(),
  rawResultType: usableText().optional(),
  rawResultFile: fileName.optional(),
  hookSelector: hookSelector.optional(),
  /** Read from the Kubernetes API, or stored from there: its uid is not a copy of another's. */
  inCluster: z.literal(true).optional(),
});

export type Scan = z.infer<typeof scanSchema>;
export type HookSelector = z.infer<typeof hookSelector>;

/**
 * The sidecar's content as a Scan.
 * @param content parsed JSON or YAML of the sidecar: a Scan resource
 * @param object its location, for the error
 * @throws RelayError `sidecar-invalid`, naming every bad field
 */
export function parseSidecar(content: unknown, object: string): Scan {
  const parsed = sidecarSchema.safeParse(content);
  if (!parsed.success) {
    throw new RelayError("sidecar-invalid", `${object} is not a Scan: ${describeIssues(parsed.error)}`, { object });
  }
  const { metadata, spec, status } = parsed.data;
  const annotations = ownAnnotationsSchema.safeParse(ownAnnotations(metadata.annotations ?? {}));
  if (!annotations.success) {
    const issues = describeIssues(annotations.error, "metadata.annotations");
    throw new RelayError("sidecar-invalid", `${object} is not a Scan: ${issues}`, { object });
  }
  const scheduledBy = metadata.ownerReferences?.find((owner) => owner.kind === "ScheduledScan")?.name;
  return dropUndefined({
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid ?? undefined,
    scanType: spec.scanType,
    parameters: spec.parameters ?? [],
    annotations: annotations.data,
    scheduledBy,
    cascade: cascadeOf(metadata.annotations ?? {}),
    createdAt: metadata.creationTimestamp ?? undefined,
    finishedAt: status?.finishedAt ?? undefined,
    rawResultType: status?.rawResultType ?? undefined,
    rawResultFile: status?.rawResultFile ?? undefined,
    hookSelector: spec.hookSelector ?? undefined,
  });
}

/**
 * A scan of a ScheduledScan is named after it and the second it was due (`scheduledscan_controller.go`), a cascaded one after its parent, its rule and
 * a random suffix. Undefined if the annotations are missing or unusable.
 */
function cascadeOf(annotations: Record<string, string>): Scan["cascade"] {
  const parent = annotations[PARENT_SCAN] ?? "";
  const rules = (annotations[CHAIN] ?? "").split(",").filter((rule) => rule !== "");
  const [first] = rules;
  if (parent === "" || first === undefined || ![parent, ...rules].every(isUsable)) return undefined;
  const cascaded = rules.length > 1 ? parent.indexOf(`-${first}-`) : -1;
  const begun = cascaded > 0 ? parent.slice(0, cascaded) : parent;
  return { root: begun.replace(/-\d{9,11}$/, "") || begun, rules };
}

/**
 * A Scan resource with only what {@link parseSidecar} reads: no container's environment, no volumes, no annotations of others (kubectl stores the
 * whole resource in one).
 * @throws RelayError `sidecar-invalid`, naming every bad field
 */
export function sidecarContent(resource: unknown, object: string): unknown {
  parseSidecar(resource, object);
  const { metadata, ...rest } = sidecarSchema.parse(resource);
  const isRead = (name: string) => name.startsWith(ANNOTATION_PREFIX) || CASCADE_ANNOTATIONS.includes(name);
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([name]) => isRead(name));
  return {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: { ...metadata, annotations: Object.fromEntries(annotations) },
    ...rest,
  };
}

function ownAnnotations(all: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name]) => name.startsWith(ANNOTATION_PREFIX))
      .map(([name, value]) => [name.slice(ANNOTATION_PREFIX.length), value]),
  );
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The object without its undefined fields, as `exactOptionalPropertyTypes` requires. */
export function dropUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Defined<T>;
}
