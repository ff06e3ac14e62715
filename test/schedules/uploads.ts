import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";
import type { UploadPlan } from "./schedule.ts";

const BUCKET = "securecodebox";

/** The uploaded objects of a scan's folder. */
export interface ScanFiles {
  readonly sidecar: string;
  readonly raw: string;
  readonly findings: string;
}

const folderOf = (folder: number) => `scan-${folder}/`;
export const findingsOf = (folder: number) => ({ bucket: BUCKET, key: `${folderOf(folder)}findings.json` });

/** Open ports of the scan: a few shared by every content, some unique, some repeated. */
export function portsOf(content: number): number[] {
  return [[22, 80, 443], [22, 8080], []][content] ?? [];
}

/** A port too large for DefectDojo's database. */
export const OVERFLOWING = 65_536;

/** Findings by id; all of the third content are identical. */
export function idsOf(content: number): string[] {
  const count = [3, 5, 4][content] ?? 0;
  return Array.from({ length: count }, (_, i) => `${content}0000000-0000-4000-8000-00000000000${i}`);
}

/** Each content has its own raw result, so that a test's findings reveal their upload. */
export const rawName = ({ kind, content }: Pick<UploadPlan, "kind" | "content">) => `nmap-${kind}-${content}.xml`;

/** The findings also differ by kind and product, because the same findings of the same run are the same job. */
export function filesOf({ folder, kind, content, run, product, scheduled }: UploadPlan): ScanFiles {
  const native = kind !== "generic";
  const sidecar = {
    metadata: {
      name: `scan-${folder}`,
      uid: `uid-${run}`,
      creationTimestamp: scheduled?.at ?? "2026-11-24T11:00:00Z",
      ...(scheduled === undefined ? {} : { ownerReferences: [{ kind: "ScheduledScan", name: scheduled.by }] }),
      annotations: { [`${ANNOTATION_PREFIX}product-name`]: `product ${product}` },
    },
    spec: { scanType: native ? "nmap" : "subfinder", parameters: [kind, String(content)] },
    status: native ? { rawResultType: "nmap-xml", rawResultFile: rawName({ kind, content }) } : {},
  };
  const findings = idsOf(content).map((id, index) => ({
    id,
    name: content === 2 ? "The same" : `Finding ${index}`,
    description: `${content === 2 ? "of all" : "of one"}, ${kind}, ${product}`,
    category: "Test",
    location: "https://example.com/",
    severity: "HIGH",
    attributes: { own: index },
    parsed_at: "2026-11-24T11:30:00Z",
  }));
  const ports = [...portsOf(content), ...(kind === "overflowing" ? [OVERFLOWING] : [])];
  const rows = ports.map((port) => `<port protocol="tcp" portid="${port}"><state state="open"/></port>`);
  const raw = `<nmaprun start="1700000000"><host><address addr="10.0.0.1" addrtype="ipv4"/><hostnames/><ports>${rows.join("")}</ports></host></nmaprun>`;
  return {
    sidecar: JSON.stringify(sidecar),
    raw: kind === "unreadable" ? raw.slice(0, 40) : raw,
    findings: JSON.stringify(findings),
  };
}
