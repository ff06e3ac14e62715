import { fileURLToPath } from "node:url";
import type { Receipt } from "../../lib/model/receipt.ts";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";
import { aJob, aReceipt, aScan } from "../helpers/factories.ts";

export const TOKEN = "page-token";
const local = (folder: string) => fileURLToPath(new URL(`../../infra/local/${folder}`, import.meta.url));
const DAY_MS = 86_400_000;

/** A service with a history: months of receipts in the bucket, followed by the demo's week. */
export async function startWorld(now: Date): Promise<Runtime> {
  const runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN, FOLLOW_SECONDS: "1" });
  for (const { key, receipt } of past(now)) await runtime.put(key, JSON.stringify(receipt));
  // The service reads the bucket at startup.
  await runtime.restart();
  const arrive = async (folder: string) => {
    const key = await runtime.upload(local(folder));
    await runtime.ended(key);
    return key;
  };
  for (const scan of ["nmap-shop", "trivy-shop", "zap-shop", "screenshot-shop"]) await arrive(`scans/${scan}`);
  const judged = [...runtime.standin.state.findings.values()];
  await judge(runtime, judged[2]?.id ?? 0, { false_p: true, active: false, verified: false });
  await judge(runtime, judged[9]?.id ?? 0, { is_mitigated: true, active: false });
  for (const scan of ["nmap-shop-tuesday", "trivy-shop-tuesday", "zap-shop-tuesday"])
    await arrive(`demo/tuesday/${scan}`);
  await arrive("demo/refused/whatweb-shop");
  await arrive("demo/broken/nmap-blog");
  return runtime;
}

async function judge({ standin }: Runtime, id: number, body: object): Promise<void> {
  const headers = { authorization: `Token ${standin.apiKey}`, "content-type": "application/json" };
  await fetch(`${standin.url}/api/v2/findings/${id}/`, { method: "PATCH", headers, body: JSON.stringify(body) });
}

const SCANNERS = [
  ["nmap", "Nmap Scan"],
  ["zap-baseline-scan", "ZAP Scan"],
  ["trivy-image", "Trivy Scan"],
] as const;
const PRODUCTS = ["Sample Shop", "Payments", "Blog"];

/** Two months of nightly scans: findings come, are judged, and are fixed. */
function* past(now: Date): Generator<{ key: string; receipt: Receipt }> {
  for (const [at, product] of PRODUCTS.entries())
    for (let days = 60; days > 0; days--)
      for (const [scanType, importedAs] of SCANNERS) {
        const finished = new Date(now.getTime() - days * DAY_MS - at * 3_600_000);
        const night = finished.toISOString().slice(0, 10);
        const name = `${scanType}-${product.toLowerCase().replace(" ", "-")}-${night}`;
        const job = aJob({ key: `nightly/${name}/findings.json`, scan: aScan({ name, scanType }) });
        const counts = countsOf(60 - days, at, scanType.length);
        const changes = { ...counts, importedAs, finishedAt: finished.toISOString() };
        const receipt = aReceipt(job, { ...changes, product: { id: at + 1, name: product, url: "" } });
        yield { key: job.key.replace("findings.json", "defectdojo.json"), receipt };
      }
}

/** Deterministic: a release every two weeks brings new findings, which are known the night after. */
function countsOf(night: number, product: number, scanner: number) {
  const fresh =
    (night + product * 3) % 14 === 0 ? 4 + ((night * scanner) % 5) : (night * 7 + scanner) % 11 === 0 ? 1 : 0;
  const known = 10 + Math.round(6 * Math.sin((night + product * 5) / 9)) + Math.floor(night / 12);
  const falsePositives = Math.floor(night / 9) + (scanner % 3);
  const mitigated = Math.floor(night / 6) + ((night + scanner) % 3 === 0 ? 1 : 0);
  const count = fresh + known + mitigated;
  const high = Math.min(count, fresh + 1);
  const medium = Math.floor((count - high) / 2);
  const low = Math.floor((count - high - medium) / 2);
  const severities = { high, medium, low, informational: count - high - medium - low };
  return { new: fresh, duplicates: known, falsePositives, mitigated, findings: { count, severities, categories: {} } };
}
