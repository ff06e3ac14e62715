import { load as parseYaml } from "js-yaml";
import { RelayError } from "../errors.ts";
import {
  checkpointOf,
  companionOf,
  folderOf,
  isFindingsName,
  type ObjectRef,
  originalOf,
  receiptOf,
  sibling,
  uri,
} from "../model/object-keys.ts";
import { parseSidecar, type Scan } from "../model/scan.ts";
import { isShortSidecar, parseShortSidecar, scanOfShort } from "../model/short-sidecar.ts";
import { readSmall } from "../ports/read-small.ts";
import type { FoundScan, ScanSource } from "../ports/scan-source.ts";
import type { Condition, ObjectHead, Storage } from "../ports/storage.ts";

export interface SidecarSettings {
  /** `scan.json`, or SIDECAR_NAME. */
  readonly sidecarName: string;
  /** `findings.json`, or FINDINGS_NAME. */
  readonly findingsName: string;
  readonly maxSidecarBytes: number;
}

/** Used if the usual sidecar is missing. */
const YAML_SIDECAR = "scan.yaml";
/** Metadata of a sidecar that the relay wrote itself: the uid of the Scan in the cluster. */
const KEPT_METADATA = "dojo-relay-scan";

/**
 * The Scan of the findings: beside them, or in the cluster if there is one. A Scan from the cluster is stored beside the findings, where
 * later readers find it long after its deletion. A sidecar that the relay stored for an earlier Scan in the same place gives way to the current one.
 * @throws RelayError `sidecar-missing` (it may still arrive), `sidecar-invalid`, `sidecar-too-large`, `cluster-…`
 */
export async function readSidecar(
  storage: Storage,
  findings: ObjectRef,
  settings: SidecarSettings,
  scans?: ScanSource,
): Promise<Scan> {
  const beside = await readBeside(storage, findings, settings);
  const kept = beside?.head.metadata[KEPT_METADATA];
  if (scans !== undefined && (scans.first || beside === undefined || kept !== undefined)) {
    const found = await findScan(scans, findings, beside !== undefined);
    if (found !== undefined) {
      const scan = parseSidecar(found.content, `the Scan of ${uri(findings)} in the cluster`);
      if (beside === undefined || (kept !== undefined && kept !== found.uid))
        await keep(found, { storage, ref: sidecarOf(findings, settings), beside });
      return { ...scan, inCluster: true };
    }
  }
  if (beside !== undefined) {
    const scan = await scanBeside(beside, { storage, findings, settings });
    return kept !== undefined && kept === scan.uid ? { ...scan, inCluster: true } : scan;
  }
  const ref = sidecarOf(findings, settings);
  const where = scans === undefined ? "" : ", and it is not in the cluster either";
  throw new RelayError(
    "sidecar-missing",
    `${uri(ref)} does not exist: the Scan belongs beside ${uri(findings)}${where}`,
    {
      object: uri(ref),
    },
  );
}

interface Beside {
  readonly ref: ObjectRef;
  readonly head: ObjectHead;
  readonly bytes: Buffer;
}

async function readBeside(
  storage: Storage,
  findings: ObjectRef,
  { sidecarName, findingsName, maxSidecarBytes }: SidecarSettings,
): Promise<Beside | undefined> {
  const names = sidecarName === "scan.json" ? [sidecarName, YAML_SIDECAR] : [sidecarName];
  const own = names.map((name) => companionOf(findings, name));
  // One name for all findings means one folder per scan, in which earlier versions looked only for the sidecar's own name.
  const plain = findingsName.includes("*") ? [] : names.map((name) => sibling(findings, name));
  const refs = new Map([...own, ...plain].map((ref) => [ref.key, ref]));
  for (const ref of refs.values()) {
    const found = await readSmall(storage, ref, maxSidecarBytes, "sidecar-too-large");
    if (found !== undefined) return { ref, ...found };
  }
  return undefined;
}

/** The Scan of a sidecar in full or short form. */
async function scanBeside(
  { ref, head, bytes }: Beside,
  where: { storage: Storage; findings: ObjectRef; settings: SidecarSettings },
): Promise<Scan> {
  const content = parseText(bytes.toString("utf8"), ref);
  if (!isShortSidecar(content)) return parseSidecar(content, uri(ref));
  const short = parseShortSidecar(content, uri(ref));
  const report = short.report ?? (await onlyReport(where.storage, where.findings, ref, where.settings));
  return scanOfShort(short, { writtenAt: head.lastModified, report }, uri(ref));
}

/** Where the sidecar belongs. */
const sidecarOf = (findings: ObjectRef, { findingsName, sidecarName }: SidecarSettings) =>
  findingsName.includes("*") ? companionOf(findings, sidecarName) : sibling(findings, sidecarName);

/** An unavailable cluster matters only if no sidecar lies beside the findings. */
async function findScan(scans: ScanSource, findings: ObjectRef, haveSidecar: boolean): Promise<FoundScan | undefined> {
  try {
    return await scans.find(findings);
  } catch (error) {
    if (haveSidecar && error instanceof RelayError && error.reason.startsWith("cluster-")) return undefined;
    throw error;
  }
}

/** Writes it, unless another process did first with the same content. */
async function keep(
  { uid, content }: FoundScan,
  { storage, ref, beside }: { storage: Storage; ref: ObjectRef; beside: Beside | undefined },
): Promise<void> {
  const condition: Condition = beside?.ref.key === ref.key ? { ifMatch: beside.head.etag } : { ifNoneMatch: "*" };
  const options = { contentType: "application/json", metadata: { [KEPT_METADATA]: uid }, condition };
  try {
    await storage.write(ref, `${JSON.stringify(content, undefined, 1)}\n`, options);
  } catch (error) {
    if (!(error instanceof RelayError && error.reason === "storage-precondition")) throw error;
  }
}

/** How many objects are listed to find the report of a short sidecar. */
const MOST_LISTED = 1_000;

/**
 * The only file in the folder that belongs neither to the relay nor to the scan itself.
 * @throws RelayError `sidecar-invalid` if there are several
 */
async function onlyReport(
  storage: Storage,
  findings: ObjectRef,
  sidecar: ObjectRef,
  { findingsName }: SidecarSettings,
): Promise<string | undefined> {
  const folder = folderOf(findings.key);
  const own = new Set([sidecar, findings, originalOf(findings), receiptOf(findings), checkpointOf(findings)].map(uri));
  const others: string[] = [];
  let listed = 0;
  for await (const { bucket, key } of storage.list(findings.bucket, folder)) {
    const name = key.slice(folder.length);
    if (!name.includes("/") && !own.has(uri({ bucket, key })) && !isFindingsName(findingsName, name)) others.push(name);
    if (others.length > 1 || ++listed > MOST_LISTED) {
      const message = `${uri(sidecar)}: report: must name the report's file, because there are several (${others.join(", ")})`;
      throw new RelayError("sidecar-invalid", message, { object: uri(sidecar) });
    }
  }
  return others[0];
}

function parseText(text: string, ref: ObjectRef): unknown {
  const yaml = /\.ya?ml$/i.test(ref.key);
  try {
    return yaml ? parseYaml(text, { maxAliases: 100 }) : JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new RelayError("sidecar-invalid", `${uri(ref)} is not ${yaml ? "YAML" : "JSON"}`, {
      object: uri(ref),
      cause,
    });
  }
}
