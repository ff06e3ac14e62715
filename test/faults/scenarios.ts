import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { StandinOptions } from "../../infra/local/defectdojo/options.ts";
import { profileNamed } from "../../infra/local/defectdojo/profiles.ts";
import type { State } from "../../infra/local/defectdojo/state.ts";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";

/** Objects of a scan's folder by name. */
type Files = Readonly<Record<string, string | Buffer>>;

/** One kind of job; the importer is killed at each of its calls. */
export interface Scenario {
  readonly name: string;
  /** The scan's folder; findings of one product are duplicates of each other. */
  readonly files: (product: string) => Files;
  /** The final number of findings in the test. */
  readonly findings: number;
  readonly importedAs: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly standin?: StandinOptions;
  /** Another scan of the product is imported first. */
  readonly afterAnother?: true;
  /** That other scan is an earlier run in the same living test. */
  readonly living?: true;
  /** The job is complete, verdicts change, and the resync is killed. */
  readonly resync?: true;
  /** Ingest is killed at the notification, not the importer at the job. */
  readonly ingest?: true;
  /** Creates a rejection by DefectDojo for each run. */
  readonly intercept?: () => State["intercept"];
  /** That dead-letters the job; after the repair it is redriven. */
  readonly deadLettered?: string;
  /** The time limit of one delivery, including the ten seconds of margin. */
  readonly deliveryMs?: number;
  /** The calls at which it is killed; other scenarios cover the rest. @default all */
  readonly calls?: RegExp;
}

const GENERIC = "Generic Findings Import";

const SAMPLES = fileURLToPath(new URL("../../infra/local/scans/", import.meta.url));

export const SCENARIOS: readonly Scenario[] = [
  { name: "generic import", files: generic, findings: 8, importedAs: GENERIC },
  { name: "native import: nmap", files: sample("nmap-shop"), findings: 5, importedAs: "Nmap Scan" },
  {
    name: "native import: zap",
    files: sample("zap-shop"),
    findings: 6,
    importedAs: "ZAP Scan",
    calls: /DefectDojo|zap/,
  },
  {
    name: "the parser fails, fallback",
    files: (product) => ({ ...sample("nmap-shop")(product), "nmap-results.xml": "<nmaprun start='1'><host>" }),
    ...{ findings: 9, importedAs: GENERIC, calls: /import-scan|tests|pending|nmap-results|findings\.json/ },
  },
  {
    name: "the parser keeps fewer, replaced",
    ...{ files: sample("nmap-shop"), findings: 9, importedAs: GENERIC, env: { ON_FEWER_FINDINGS: "generic" } },
    calls: /import-scan|tests|pending|findings\.json|defectdojo\.json|Message/,
  },
  {
    name: "all are duplicates",
    ...{
      files: generic,
      findings: 8,
      importedAs: GENERIC,
      afterAnother: true,
      calls: /DefectDojo|findings|defectdojo/,
    },
  },
  {
    name: "reimport: the first run",
    ...{
      files: generic,
      findings: 8,
      importedAs: GENERIC,
      calls: /import|\/tests\/|living|pending|findings|defectdojo/,
    },
    env: { IMPORT_MODE: "reimport" },
  },
  {
    name: "reimport: a later run",
    ...{ files: generic, findings: 8, importedAs: GENERIC, afterAnother: true, living: true },
    ...{ calls: /DefectDojo|living|pending|findings|defectdojo|Message/, env: { IMPORT_MODE: "reimport" } },
  },
  {
    name: "reimport as DefectDojo 2.34 answers, merge mode",
    ...{ files: generic, findings: 8, importedAs: GENERIC, afterAnother: true, living: true },
    ...{ calls: /import|\/tests\/|findings/, standin: { profile: "2.34", deduplicationDelayMs: 100 } },
    env: { IMPORT_MODE: "reimport", SYNC_MODE: "merge", DEDUPLICATION_QUIET_SECONDS: "1" },
  },
  {
    name: "read-only",
    ...{ files: generic, findings: 8, importedAs: GENERIC, calls: /import-scan|findings|defectdojo|Message/ },
    env: { DEFECTDOJO_SYNC_FINDINGS_BACK: "false" },
  },
  {
    name: "merge mode",
    ...{ files: generic, findings: 8, importedAs: GENERIC, calls: /import-scan|findings|defectdojo|Message/ },
    env: { SYNC_MODE: "merge" },
  },
  {
    name: "as DefectDojo 2.x answers",
    ...{ files: generic, findings: 8, importedAs: GENERIC, calls: /DefectDojo/ },
    standin: { profile: "2.58", deduplicationDelayMs: 100 },
    env: { DEDUPLICATION_QUIET_SECONDS: "1" },
  },
  {
    name: "more than 5 MiB, in parts",
    ...{ files: large, findings: 400, importedAs: GENERIC, calls: /Multipart|UploadPart|import-scan/ },
  },
  {
    name: "a long import, handed back",
    ...{
      files: generic,
      findings: 8,
      importedAs: GENERIC,
      deliveryMs: 11_500,
      standin: { timing: { importMsPerFinding: 400 } },
    },
    calls: /ChangeMessageVisibility|pending|import-scan|\/tests\//,
  },
  {
    name: "a failure, tried again",
    ...{ files: generic, findings: 8, importedAs: GENERIC, intercept: () => failOnce("/products/") },
    calls: /ChangeMessageVisibility|pending|products|Message/,
  },
  {
    name: "dead-lettered and redriven",
    ...{ files: generic, findings: 8, importedAs: GENERIC, intercept: refuseAll, deadLettered: "dojo-forbidden" },
    calls: /Message|pending|defectdojo\.json/,
  },
  { name: "synced again", files: generic, findings: 8, importedAs: GENERIC, resync: true },
  {
    name: "the notification",
    files: generic,
    findings: 8,
    importedAs: GENERIC,
    ingest: true,
    calls: /scan\.json|SendMessage|HEAD findings/,
  },
];

/** A sample scan in its own product. */
function sample(name: string): Scenario["files"] {
  const folder = `${SAMPLES}${name}/`;
  return (product) => {
    const files = Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(folder + file)]));
    const scan = JSON.parse(String(files["scan.json"])) as { metadata: { annotations: Record<string, string> } };
    scan.metadata.annotations[`${ANNOTATION_PREFIX}product-name`] = product;
    return { ...files, "scan.json": JSON.stringify(scan) };
  };
}

/** Eight findings of a scanner unknown to DefectDojo: two identical, one that needs a repair. */
function generic(product: string): Files {
  const findings = Array.from({ length: 8 }, (_, i) => ({
    id: `00000000-0000-4000-8000-00000000000${i}`,
    name: i === 7 ? "Finding 6" : `Finding ${i}`,
    description: i === 5 ? null : "What was found",
    category: "Test",
    location: i % 2 === 0 ? "https://shop.example.com/" : `tcp://shop.example.com:${8000 + i}`,
    severity: ["HIGH", "MEDIUM", "LOW", "INFORMATIONAL"][i % 4],
    attributes: { own: i },
    parsed_at: "2026-11-20T10:00:00Z",
  }));
  return { "scan.json": sidecar(product), "findings.json": JSON.stringify(findings) };
}

function large(product: string): Files {
  const findings = Array.from({ length: 400 }, (_, i) => ({
    ...{ name: `Finding ${i}`, category: "Test", severity: "LOW", description: `${i} ${"long ".repeat(3_500)}` },
  }));
  return { "scan.json": sidecar(product), "findings.json": JSON.stringify(findings) };
}

function sidecar(product: string): string {
  const annotations = { [`${ANNOTATION_PREFIX}product-name`]: product };
  return JSON.stringify({
    metadata: { name: "a-scan", creationTimestamp: "2026-11-20T09:00:00Z", annotations },
    spec: { scanType: "subfinder", parameters: ["-d", "example.com"] },
    status: { finishedAt: "2026-11-20T10:00:00Z" },
  });
}

function failOnce(path: string): State["intercept"] {
  let failed = false;
  return (request) => {
    if (failed || request.path !== path || request.method !== "POST") return undefined;
    failed = true;
    return { status: 503, body: "" };
  };
}

/** The scenario with a DefectDojo of that profile, or its own by default. @throws Error that lists the profiles */
export function withProfile(scenario: Scenario, profile: string | undefined): Scenario {
  if (profile === undefined) return scenario;
  const { asyncWait } = profileNamed(profile);
  // If the server does not confirm it, deduplication ends after a quiet time: six seconds per run would be most of the suite.
  const env = asyncWait ? scenario.env : { DEDUPLICATION_QUIET_SECONDS: "1", ...scenario.env };
  return { ...scenario, standin: { ...scenario.standin, profile }, ...(env === undefined ? {} : { env }) };
}

function refuseAll(): State["intercept"] {
  return () => ({ status: 403, body: { detail: "Invalid token." } });
}
