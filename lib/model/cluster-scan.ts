import * as z from "zod";
import { RelayError } from "../errors.ts";
import type { ObjectRef } from "./object-keys.ts";
import { sidecarContent } from "./scan.ts";

/**
 * How far a Scan's results are:
 * - `running`: its findings have not landed, or never will;
 * - `parsed`: they have, and the operator is about to choose the hooks;
 * - `rewriting`: hooks that may rewrite the findings are running or still to come;
 * - `final`: the operator no longer writes the findings.
 */
export type ScanPhase = "running" | "parsed" | "rewriting" | "final";

/** The location of an object in a presigned link: which part is the bucket depends on the style. */
export interface LinkedObject {
  /** Without its port. */
  readonly host: string;
  /** Decoded, without the first slash. */
  readonly path: string;
}

/** What the relay keeps in memory of a Scan in the cluster. */
export interface ClusterScan {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** ISO 8601, or "" */
  readonly createdAt: string;
  readonly phase: ScanPhase;
  readonly findings: LinkedObject | undefined;
  readonly rawResult: LinkedObject | undefined;
  /** What the relay wrote into {@link TOLD_ANNOTATION}. */
  readonly told: string | undefined;
  /** In the sidecar's shape, or the error if the resource is unusable. */
  readonly content: unknown;
  readonly problem: RelayError | undefined;
}

/** Annotations that the relay writes, under their own prefix, because those of `defectdojo.securecodebox.io/` are the user's. */
export const RELAY_PREFIX = "dojo-relay.securecodebox.io/";
/** Holds the Scan's uid once its outcome is written; see {@link toldValue}. */
export const TOLD_ANNOTATION = `${RELAY_PREFIX}run`;

/**
 * The operator's resource: only the fields in use.
 * https://www.securecodebox.io/docs/api/crds/scan, and `operator/apis/execution/v1/scan_types.go` for its states
 */
const resourceSchema = z.object({
  metadata: z.object({
    name: z.string().min(1),
    namespace: z.string().default("default"),
    uid: z.string().min(1),
    creationTimestamp: z.string().nullish(),
    annotations: z.record(z.string(), z.unknown()).nullish(),
  }),
  status: z
    .object({
      state: z.string().nullish(),
      findingDownloadLink: z.string().nullish(),
      rawResultDownloadLink: z.string().nullish(),
      readAndWriteHookStatus: z.unknown().optional(),
      orderedHookStatuses: z.unknown().optional(),
    })
    .nullish(),
});

/** Reads a resource of the Kubernetes API; undefined if it is not a Scan. */
export function clusterScan(resource: unknown): ClusterScan | undefined {
  const parsed = resourceSchema.safeParse(resource);
  if (!parsed.success) return undefined;
  const { metadata, status } = parsed.data;
  const { name, namespace, uid } = metadata;
  const told = metadata.annotations?.[TOLD_ANNOTATION];
  const usable = contentOf(resource, `Scan ${namespace}/${name}`);
  return {
    ...{ name, namespace, uid, createdAt: metadata.creationTimestamp ?? "" },
    phase: phaseOf(status?.state ?? "", hooksOf(status)),
    findings: linkedObject(status?.findingDownloadLink),
    rawResult: linkedObject(status?.rawResultDownloadLink),
    told: typeof told === "string" ? told : undefined,
    ...usable,
  };
}

function contentOf(resource: unknown, object: string): Pick<ClusterScan, "content" | "problem"> {
  try {
    return { content: sidecarContent(resource, object), problem: undefined };
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    return { content: undefined, problem: error };
  }
}

interface Hook {
  readonly state?: unknown;
  readonly type?: unknown;
}

/** The Scan's hooks: in groups that run one after another, or in one list (older operators). */
function hooksOf(status: z.infer<typeof resourceSchema>["status"]): readonly Hook[] {
  const all = [status?.orderedHookStatuses, status?.readAndWriteHookStatus].flat(2);
  return all.filter((one): one is Hook => typeof one === "object" && one !== null);
}

/** One row per state of the operator after parsing. */
const PHASES: Readonly<Record<string, (hooks: readonly Hook[]) => ScanPhase>> = {
  ParseCompleted: () => "parsed",
  HookProcessing: (hooks) => (hooks.some(mayRewrite) ? "rewriting" : "final"),
  ReadAndWriteHookProcessing: () => "rewriting",
  ReadAndWriteHookCompleted: () => "final",
  ReadOnlyHookProcessing: () => "final",
  Done: () => "final",
  // Hooks are chosen after parsing: with hooks, a hook failed; without, scanner or parser failed.
  Errored: (hooks) => (hooks.length > 0 ? "final" : "running"),
};

function phaseOf(state: string, hooks: readonly Hook[]): ScanPhase {
  return Object.hasOwn(PHASES, state) ? (PHASES[state]?.(hooks) ?? "running") : "running";
}

const mayRewrite = ({ type, state }: Hook) =>
  type === "ReadAndWrite" && (state === "Pending" || state === "InProgress" || state === undefined);

function linkedObject(link: string | null | undefined): LinkedObject | undefined {
  const url = URL.parse(link ?? "");
  if (url === null) return undefined;
  try {
    return { host: url.hostname, path: decodeURIComponent(url.pathname.slice(1)) };
  } catch {
    return undefined;
  }
}

/** Whether a link leads to this object: `host/bucket/key`, or `bucket.host/key`. */
export function leadsTo(link: LinkedObject, { bucket, key }: ObjectRef): boolean {
  return link.path === `${bucket}/${key}` || (link.path === key && isBucketHost(link.host, bucket));
}

const isBucketHost = (host: string, bucket: string) => host === bucket || host.startsWith(`${bucket}.`);

/** `BUCKET.s3.REGION.amazonaws.com` and the like: hosts of AWS whose first part is the bucket. */
const AWS_BUCKET_HOST = /^(.+)\.s3[.-][a-z\d.-]*amazonaws\.com(?:\.cn)?$/;

/**
 * The object that a link leads to.
 * @param bucket a known bucket's name, if any; else AWS' hosts, or the path elsewhere, name the bucket
 */
export function objectAt({ host, path }: LinkedObject, bucket: string | undefined): ObjectRef | undefined {
  const slash = path.indexOf("/");
  const inPath = slash < 1 ? undefined : { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
  if (bucket !== undefined) {
    if (isBucketHost(host, bucket)) return { bucket, key: path };
    return inPath;
  }
  const [, named] = AWS_BUCKET_HOST.exec(host) ?? [];
  return named === undefined ? inPath : { bucket: named, key: path };
}

/**
 * The annotation's value on a finished Scan: its uid, because an annotation may be copied with a manifest, and whether hooks
 * could still rewrite the findings at that time.
 */
export const toldValue = ({ uid, phase }: Pick<ClusterScan, "uid" | "phase">): string =>
  phase === "final" ? uid : `${uid}/early`;

/** Whether nothing is left to do: its outcome is written, and nothing could have changed the findings since. */
export const isToldFinally = ({ uid, told, phase }: ClusterScan): boolean =>
  told === uid || (told === `${uid}/early` && phase !== "final");
