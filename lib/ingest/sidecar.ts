import { load as parseYaml } from "js-yaml";
import { RelayError } from "../errors.ts";
import { companionOf, type ObjectRef, sibling, uri } from "../model/object-keys.ts";
import { parseSidecar, type Scan } from "../model/scan.ts";
import { readSmall } from "../ports/read-small.ts";
import type { Storage } from "../ports/storage.ts";

export interface SidecarSettings {
  /** `scan.json`, or what SIDECAR_NAME says. */
  readonly sidecarName: string;
  /** `findings.json`, or what FINDINGS_NAME says. */
  readonly findingsName: string;
  readonly maxSidecarBytes: number;
}

/** Stands in where the usual sidecar is missing. */
const YAML_SIDECAR = "scan.yaml";

/**
 * The Scan beside the findings.
 * @throws RelayError `sidecar-missing` (it may still come), `sidecar-invalid`, `sidecar-too-large`
 */
export async function readSidecar(storage: Storage, findings: ObjectRef, settings: SidecarSettings): Promise<Scan> {
  const { sidecarName, findingsName, maxSidecarBytes } = settings;
  const names = sidecarName === "scan.json" ? [sidecarName, YAML_SIDECAR] : [sidecarName];
  const own = names.map((name) => companionOf(findings, name));
  // One name for all findings: a folder a scan, in which earlier versions looked for the sidecar's own name alone.
  const plain = findingsName.includes("*") ? [] : names.map((name) => sibling(findings, name));
  const refs = new Map([...own, ...plain].map((ref) => [ref.key, ref]));
  for (const ref of refs.values()) {
    const found = await readSmall(storage, ref, maxSidecarBytes, "sidecar-too-large");
    if (found !== undefined) return parseSidecar(parseText(found.bytes.toString("utf8"), ref), uri(ref));
  }
  const ref = findingsName.includes("*") ? companionOf(findings, sidecarName) : sibling(findings, sidecarName);
  throw new RelayError("sidecar-missing", `${uri(ref)} is not there: the Scan belongs beside ${uri(findings)}`, {
    object: uri(ref),
  });
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
