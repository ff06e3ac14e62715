import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ScanFinding } from "../../lib/report/findings-file.ts";
import { batched } from "../../lib/report/report.ts";
import { toGenericFinding } from "../../lib/report/to-generic-finding.ts";

const SEVERITIES = ["INFORMATIONAL", "LOW", "MEDIUM", "HIGH"] as const;
const TEXT =
  "The server answers on this path with a header that tells its exact version. Who knows the version knows its weaknesses; " +
  "take the header away, or put a proxy in front that does. ";

/**
 * A finding of about 1 KB at a location of its own. The same number in another `run` is a duplicate at a location of its own: DefectDojo compares
 * hosts and paths, and runs differ in the query.
 */
export function benchFinding(number: number, run: number): ScanFinding {
  return {
    id: `${run}-${number}`,
    name: `Version told by path ${number}`,
    description: `${number}: ${TEXT.repeat(3)}`,
    category: "Information disclosure",
    severity: SEVERITIES[number % SEVERITIES.length],
    location: `https://host-${number % 97}.bench.example.com/path/${number}?run=${run}`,
    mitigation: "Take the header away.",
    parsed_at: "2026-11-20T10:05:03.000Z",
    attributes: { port: 443, header: "Server", value: `bench/${number}`, seen: ["GET", "HEAD"] },
    references: [{ type: "URL", value: `https://bench.example.com/advice/${number}` }],
  };
}

/** findings.json. */
export async function writeFindingsJson(path: string, findings: number, run: number): Promise<void> {
  await writeArray(path, findings, (number) => benchFinding(number, run));
}

/** The same findings as the generic report that the relay makes of them. */
export async function writeGenericReport(path: string, findings: number, run: number): Promise<void> {
  const now = new Date();
  const generic = (number: number) => toGenericFinding(benchFinding(number, run), number, now).generic;
  await writeArray(path, findings, generic, '{"findings":', "}");
}

/** A raw result that DefectDojo's Gitleaks parser reads, filled up to `bytes` with what no parser looks at. */
export async function writeRawResult(path: string, findings: number, bytes: number): Promise<void> {
  const padding = "x".repeat(Math.floor(bytes / findings));
  await writeArray(path, findings, (number) => ({
    Description: `Key ${number}`,
    RuleID: "generic-api-key",
    File: `src/${number}.ts`,
    StartLine: number + 1,
    Secret: `secret-${number}`,
    Match: `key = secret-${number}`,
    padding,
  }));
}

/** findings.json of that raw result, as secureCodeBox's parser writes it. */
export async function writeFoundByGitleaks(path: string, findings: number, run: number): Promise<void> {
  await writeArray(path, findings, (number) => ({
    id: `${run}-${number}`,
    name: "generic-api-key",
    description: "The name of the rule which triggered the finding: generic-api-key",
    category: "Potential Secret",
    severity: "MEDIUM",
    osi_layer: "APPLICATION",
    parsed_at: "2026-11-20T10:05:03.000Z",
    attributes: {
      ...{ description: `Key ${number}`, file: `src/${number}.ts`, line_number: number + 1 },
      ...{ offender: `secret-${number}`, line: `key = secret-${number}`, commit: "", tags: [] },
    },
  }));
}

async function writeArray(path: string, length: number, item: (number: number) => unknown, before = "", after = "") {
  const pieces = async function* () {
    yield `${before}[`;
    for (let number = 0; number < length; number++) yield `${number === 0 ? "" : ",\n"}${JSON.stringify(item(number))}`;
    yield `]${after}`;
  };
  await pipeline(Readable.from(batched(pieces())), createWriteStream(path));
}

/** The Scan of a run, as its sidecar. */
export function benchSidecar(names: { scan: string; product: string; raw: boolean }): object {
  const prefix = "defectdojo.securecodebox.io/";
  return {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: {
      name: names.scan,
      namespace: "bench",
      uid: "0f6e2d98-7371-544d-94fc-8a3c2c2f267d",
      creationTimestamp: "2026-11-20T10:00:00Z",
      annotations: { [`${prefix}product-name`]: names.product, [`${prefix}engagement-name`]: names.scan },
    },
    spec: { scanType: names.raw ? "gitleaks" : "bench", parameters: [] },
    status: {
      finishedAt: "2026-11-20T10:05:00Z",
      ...(names.raw ? { rawResultType: "gitleaks-json", rawResultFile: "raw.json" } : {}),
    },
  };
}
