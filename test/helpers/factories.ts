import "./no-network.ts";
import { jobKey, jobRun, type ScanJob } from "../../lib/model/job.ts";
import type { ObjectRef } from "../../lib/model/object-keys.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { ANNOTATION_PREFIX, dropUndefined, type Scan } from "../../lib/model/scan.ts";
import type { Test } from "../../lib/ports/defectdojo.ts";
import type { DojoFinding } from "../../lib/ports/dojo-finding.ts";
import type { ScanFinding } from "../../lib/report/findings-file.ts";

/** The location of the findings in most tests. */
export const FINDINGS: ObjectRef = { bucket: "securecodebox", key: "scan-abc/findings.json" };
/** MD5 of `[]`. */
export const ETAG = "d751713988987e9331980363e24189ce";

interface SidecarParts {
  readonly metadata?: Record<string, unknown>;
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown> | null;
}

/** The output of `kubectl get scan nmap-example -o json`; the given parts override it. */
export function aSidecar({ metadata, spec, status }: SidecarParts = {}): Record<string, unknown> {
  return {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: {
      name: "nmap-example",
      namespace: "security",
      uid: "8c3b8c93-8791-487a-ae43-13516f6ceba4",
      creationTimestamp: "2026-11-20T10:00:00Z",
      labels: {},
      annotations: {},
      ...metadata,
    },
    spec: { scanType: "nmap", parameters: ["-p", "22", "example.com"], ...spec },
    status: {
      state: "Done",
      finishedAt: "2026-11-20T10:05:00Z",
      rawResultType: "nmap-xml",
      rawResultFile: "nmap-results.xml",
      ...status,
    },
  };
}

/** A sidecar with these relay annotations. */
export function annotatedSidecar(annotations: Readonly<Record<string, string>>): Record<string, unknown> {
  const prefixed = Object.entries(annotations).map(([name, value]) => [`${ANNOTATION_PREFIX}${name}`, value]);
  return aSidecar({ metadata: { annotations: Object.fromEntries(prefixed) } });
}

export function aScan(changes: Partial<Scan> = {}): Scan {
  return {
    name: "nmap-example",
    namespace: "security",
    uid: "8c3b8c93-8791-487a-ae43-13516f6ceba4",
    scanType: "nmap",
    parameters: ["-p", "22", "example.com"],
    annotations: {},
    createdAt: "2026-11-20T10:00:00Z",
    finishedAt: "2026-11-20T10:05:00Z",
    rawResultType: "nmap-xml",
    rawResultFile: "nmap-results.xml",
    ...changes,
  };
}

/** A scan that is imported as Generic Findings Import. */
export function aGenericScan(changes: Partial<Scan> = {}): Scan {
  return aScan({ name: "subfinder-example", scanType: "subfinder", rawResultType: "subfinder-json", ...changes });
}

export function aJob(changes: Partial<ScanJob> = {}): ScanJob {
  return { version: 1, kind: "import", ...FINDINGS, etag: ETAG, scan: aScan(), ...changes };
}

export function aFinding(changes: Partial<ScanFinding> = {}): ScanFinding {
  return {
    id: "2ba9b74e-0f34-444d-925b-1dbde58e68ed",
    name: "Open Port: 22 (ssh)",
    description: "Port 22 is open using tcp protocol.",
    category: "Open Port",
    severity: "INFORMATIONAL",
    location: "tcp://example.com:22",
    osi_layer: "NETWORK",
    parsed_at: "2026-11-20T10:05:03.000Z",
    attributes: { port: 22, state: "open" },
    ...changes,
  };
}

/** The verdicts of a new finding. */
export const NOT_JUDGED = {
  duplicate: false,
  duplicateOf: undefined,
  falsePositive: false,
  riskAccepted: false,
  outOfScope: false,
  mitigated: false,
  active: true,
  verified: false,
  underReview: false,
  mitigatedBy: undefined,
  lastReviewedAt: undefined,
  lastReviewedBy: undefined,
};

/** The identifying fields of a finding if DefectDojo's parser sets none. */
export const NOTHING_KNOWN = {
  vulnIdFromTool: undefined,
  filePath: undefined,
  line: undefined,
  componentName: undefined,
  componentVersion: undefined,
  vulnerabilityIds: [],
  service: undefined,
};

export function aDojoFinding(changes: Partial<DojoFinding> = {}): DojoFinding {
  return {
    id: 42,
    testId: 7,
    title: "Open Port: 22/TCP",
    severity: "Info",
    description: "### Host\n\n**Port/Protocol:** 22/tcp\n",
    mitigation: "",
    references: "",
    createdAt: "2026-11-24T17:59:30.906437Z",
    uniqueIdFromTool: undefined,
    ...NOTHING_KNOWN,
    ...NOT_JUDGED,
    locations: ["tcp://example.com:22"],
    ...changes,
  };
}

export function aTest(changes: Partial<Test> = {}): Test {
  return {
    id: 7,
    title: "nmap-example",
    scanType: "Nmap Scan",
    engagementId: 5,
    buildId: jobKey(aJob()),
    percentComplete: 100,
    ...changes,
  };
}

export function aReceipt(job: ScanJob = aJob(), changes: Partial<Receipt> = {}): Receipt {
  const filed = (id: number, name: string) => ({ id, name, url: `https://dojo.example.com/x/${id}` });
  return {
    version: 1,
    jobKey: jobKey(job),
    ...dropUndefined({ run: jobRun(job) }),
    outcome: "synced",
    findingsKey: job.key,
    etag: job.etag,
    scan: { name: job.scan.name, namespace: job.scan.namespace, scanType: job.scan.scanType },
    scanType: "Nmap Scan",
    importedAs: "Nmap Scan",
    deduplication: "confirmed",
    syncMode: "replace",
    productType: filed(1, "Research and Development"),
    product: filed(2, "nmap-example"),
    engagement: filed(5, "nmap-example"),
    test: filed(7, "nmap-example"),
    findings: {
      count: 1,
      severities: { informational: 1, low: 0, medium: 0, high: 0 },
      categories: { "Open Port": 1 },
    },
    new: 1,
    duplicates: 0,
    falsePositives: 0,
    riskAccepted: 0,
    outOfScope: 0,
    mitigated: 0,
    repairs: [],
    repairCount: 0,
    warnings: [],
    startedAt: "2026-11-24T12:00:00.000Z",
    finishedAt: "2026-11-24T12:00:10.000Z",
    timings: {},
    ...(job.sequencer === undefined ? {} : { sequencer: job.sequencer }),
    ...changes,
  };
}
