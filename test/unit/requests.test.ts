import { afterEach, describe, expect, it } from "vitest";
import type { StandinOptions } from "../../infra/local/defectdojo/options.ts";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import type { LoggedRequest } from "../../infra/local/defectdojo/state.ts";
import { readDojoConfig } from "../../lib/config.ts";
import { dojoPort } from "../../lib/defectdojo/dojo-port.ts";
import { checkpointStore } from "../../lib/importer/checkpoint.ts";
import { importJob } from "../../lib/importer/import-job.ts";
import type { ScanJob } from "../../lib/model/job.ts";
import type { Scan } from "../../lib/model/scan.ts";
import type { ScanFinding } from "../../lib/report/findings-file.ts";
import { flowSettings } from "../../lib/settings.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { aFinding, aGenericScan, aJob, aScan } from "../helpers/factories.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";

/** What issue and README promise of a scan of n findings. */
const most = (findings: number) => 14 + 4 * Math.ceil(findings / 250);

let standin: Standin;
afterEach(() => standin.close());

interface Upload {
  readonly findings: readonly ScanFinding[];
  readonly scan?: Partial<Scan>;
  readonly raw?: string;
  readonly lowPrivileged?: boolean;
  readonly readOnly?: boolean;
}

let uploads = 0;

/** One scan through an importer that has just started: nothing is remembered of earlier ones. */
async function relay({ findings, scan = {}, raw, lowPrivileged = false, readOnly = false }: Upload) {
  const env = {
    DEFECTDOJO_URL: standin.url,
    DEFECTDOJO_APIKEY: lowPrivileged ? standin.lowPrivilegedApiKey : standin.apiKey,
    DEFECTDOJO_LOW_PRIVILEGED_MODE: String(lowPrivileged),
    DEFECTDOJO_SYNC_FINDINGS_BACK: String(!readOnly),
    DEDUPLICATION_QUIET_SECONDS: "0",
    IMPORT_REFUSAL_SECONDS: "0",
  };
  const config = readDojoConfig(env);
  const { log, metrics } = recorder();
  const storage = memoryStorage();
  const folder = { bucket: "securecodebox", key: `scan-${++uploads}/findings.json` };
  const etag = storage.put(folder, JSON.stringify(findings));
  if (raw !== undefined) storage.put({ ...folder, key: `scan-${uploads}/raw.xml` }, raw);
  const job: ScanJob = aJob({ ...folder, etag, scan: raw === undefined ? aGenericScan(scan) : aScan(scan) });
  const ports = { storage, dojo: dojoPort(config, {}), clock: systemClock, log, metrics };
  standin.state.requests.length = 0;
  const pending = checkpointStore(storage, log);
  const { receipt } = await importJob(job, { ...ports, pending }, flowSettings(config), { remainingMs: () => 600_000 });
  if (receipt === undefined) throw new Error("the job has no receipt");
  const synced = JSON.parse(storage.text(folder) ?? "") as { location: string; attributes: Record<string, unknown> }[];
  return { receipt, synced, requests: [...standin.state.requests] };
}

/** Alike in every run, at a location of its own in each. */
const findingsOf = (count: number, run: number, alike = false) =>
  Array.from({ length: count }, (_, number) => {
    const name = `Finding ${alike ? 0 : number}`;
    const location = `https://host-${alike ? 0 : number}.example.com:8443/path?run=${run}&number=${number}`;
    return aFinding({ id: `${run}-${number}`, name, description: name, location, attributes: {} });
  });

const urlsOf = (requests: readonly LoggedRequest[]) => requests.map(({ method, url }) => `${method} ${url}`);

/** @param furtherLocations of all findings, beside the first of each */
function expectFew(requests: readonly LoggedRequest[], findings: number, furtherLocations = 0) {
  const further = Math.ceil(furtherLocations / 1_000) + Math.ceil(furtherLocations / 360);
  expect(requests.length, urlsOf(requests).join("\n")).toBeLessThanOrEqual(most(findings) + further);
  for (const { url } of requests) expect(url.length).toBeLessThan(4_000);
  expect(requests.every(({ status }) => status < 500)).toBe(true);
}

interface Server extends StandinOptions {
  readonly lowPrivileged: boolean;
}

const SERVERS: readonly Server[] = (["locations", "endpoints"] as const).flatMap((mode) =>
  [false, true].flatMap((lowPrivileged) =>
    [0, 1_000_000, 90_000_000, 900_000_000].map((idsFrom) => ({ mode, lowPrivileged, idsFrom })),
  ),
);

describe.each(SERVERS)("requests ($mode mode, low-privileged $lowPrivileged, ids from $idsFrom)", (server) => {
  const { lowPrivileged } = server;

  it("of scans of any size stay few", async () => {
    standin = await startStandin(server);
    for (const count of [0, 1, 250, 251, 1_000]) {
      const scan = { name: `scan-of-${count}` };
      const { requests, synced } = await relay({ findings: findingsOf(count, count), scan, lowPrivileged });
      expect(synced).toHaveLength(count);
      expectFew(requests, count);
    }
  });

  it("of duplicates with originals elsewhere stay few, each finding with its own location", async () => {
    standin = await startStandin(server);
    await relay({ findings: findingsOf(1_000, 0), lowPrivileged });
    const { requests, receipt, synced } = await relay({ findings: findingsOf(1_000, 1), lowPrivileged });
    expect(receipt.duplicates).toBe(1_000);
    expectFew(requests, 1_000);
    expect(synced.map(({ location }) => location)).toEqual(findingsOf(1_000, 1).map(({ location }) => location));
    expect(
      synced.map(({ attributes }) => (attributes["defectdojo.org/original-finding"] as { location: string }).location),
    ).toEqual(findingsOf(1_000, 0).map(({ location }) => location));
  });

  it("of duplicates within the report stay few", async () => {
    standin = await startStandin(server);
    const { requests, receipt } = await relay({ findings: findingsOf(600, 0, true), lowPrivileged });
    expect(receipt.duplicates).toBe(599);
    expectFew(requests, 600);
  });

  it("of findings with more locations than one answer holds stay few", async () => {
    standin = await startStandin(server);
    for (const run of [0, 1]) {
      const upload = { findings: findingsOf(1, run), scan: ZAP, raw: zapReport(250, run), lowPrivileged };
      const { requests, receipt, synced } = await relay(upload);
      expect(receipt).toMatchObject({ importedAs: "ZAP Scan", findings: { count: 250 }, duplicates: run * 250 });
      expectFew(requests, 250, 250 * (PLACES - 1));
      for (const [n, { location }] of synced.entries()) expect(placesOf(n, run)).toContain(location);
    }
  });
});

/** Of read-only mode, beside the import. One more for each of orchestration engine and product type where these are made, once for all. */
const MOST_READ_ONLY = 12;

function expectCounted(requests: readonly LoggedRequest[], most = MOST_READ_ONLY) {
  const others = requests.filter(({ url }) => !url.includes("/import-scan/"));
  expect(others.length, urlsOf(others).join("\n")).toBeLessThanOrEqual(most);
  const read = others.filter(({ url }) => /findings\/\?test=/.test(url) && !/[?&]limit=1(?:&|$)/.test(url));
  expect(urlsOf(read)).toEqual([]);
}

describe.each([true, false])("read-only mode, where DefectDojo says when deduplication is done: %s", (asyncWait) => {
  it.each([0, 1, 250, 1_000, 5_000])("reads none of %d findings, and counts them with few requests", async (count) => {
    standin = await startStandin({ asyncWait });
    const { requests, receipt } = await relay({ findings: findingsOf(count, 0), readOnly: true });
    expect(receipt).toMatchObject({ outcome: "imported", findings: { count }, new: count, duplicates: 0 });
    expectCounted(requests, MOST_READ_ONLY + (asyncWait ? 1 : 2));
    const again = await relay({ findings: findingsOf(count, 1), readOnly: true });
    expect(again.receipt).toMatchObject({ findings: { count }, new: 0, duplicates: count });
    expectCounted(again.requests);
  });

  it("counts what write-back counts", async () => {
    standin = await startStandin({ asyncWait });
    const severities = ["HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "HIGH"];
    const findings = (run: number) =>
      findingsOf(5, run).map((finding, n) => ({ ...finding, severity: severities[n] ?? "LOW" }));
    await relay({ findings: findings(0).slice(0, 2) });
    const [written, counted] = [await relay({ findings: findings(1) }), await relay({ findings: findings(2) })];
    const only = await relay({ findings: findings(3), readOnly: true });
    const countsOf = ({ receipt: { findings: all, new: fresh, duplicates, mitigated } }: typeof only) => ({
      ...{ all, fresh, duplicates, mitigated },
    });
    expect(countsOf(written)).toMatchObject({ fresh: 3, duplicates: 2 });
    expect(countsOf(only)).toEqual(countsOf(counted));
  });
});

describe.each(["locations", "endpoints"] as const)(
  "the first scan of all, everything to be created (%s mode)",
  (mode) => {
    const annotations = {
      "defectdojo.securecodebox.io/product-type-name": "New",
      "defectdojo.securecodebox.io/product-name": "New",
    };

    it.each([0, 1, 250])("takes few requests for %d findings", async (count) => {
      standin = await startStandin({ mode });
      const { requests } = await relay({ findings: findingsOf(count, 0), scan: { annotations } });
      expectFew(requests, count);
    });

    it("takes few requests in read-only mode", async () => {
      standin = await startStandin({ mode });
      const scan = { ...ZAP, annotations };
      const { requests } = await relay({ findings: findingsOf(1, 0), scan, raw: zapReport(250, 0), readOnly: true });
      expectCounted(requests, MOST_READ_ONLY + 2);
    });

    it.each([1, 10, 250])("takes few requests for a raw result of %d findings", async (count) => {
      standin = await startStandin({ mode });
      const scan = { ...ZAP, annotations };
      const { requests, receipt } = await relay({ findings: findingsOf(1, 0), scan, raw: zapReport(count, 0) });
      expect(receipt).toMatchObject({ importedAs: "ZAP Scan", findings: { count } });
      expectFew(requests, count, count * (PLACES - 1));
    });
  },
);

const ZAP = { scanType: "zap-baseline-scan", rawResultType: "zap-xml", rawResultFile: "raw.xml" };
const PLACES = 9;

/** Of a finding's places only the first is the same in every run. */
const placesOf = (number: number, run: number) =>
  Array.from({ length: PLACES }, (_, i) => `https://example.com:8443/${number}/${i === 0 ? "both" : `${run}-${i}`}`);

function zapReport(findings: number, run: number): string {
  const instance = (uri: string) => `<instance><uri>${uri}</uri><method>GET</method></instance>`;
  const alert = (number: number) =>
    `<alertitem><alert>Alert ${number}</alert><riskcode>1</riskcode><desc>d</desc><solution>s</solution><reference>r</reference>` +
    `<instances>${placesOf(number, run).map(instance).join("")}</instances></alertitem>`;
  const alerts = Array.from({ length: findings }, (_, number) => alert(number)).join("");
  return `<OWASPZAPReport><site><alerts>${alerts}</alerts></site></OWASPZAPReport>`;
}
