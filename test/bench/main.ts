import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { table } from "../../cli/terminal/table.ts";
import { describeError } from "../../lib/errors.ts";
import { SYNC_MODES } from "../../lib/model/receipt.ts";
import { wrongReceipts } from "./deduplication.ts";
import { followed } from "./follow.ts";
import { type Details, type Measured, measure, type Workload } from "./measure.ts";
import { micro } from "./micro.ts";
import { plot } from "./plot.ts";
import { type LivingRun, reimport } from "./reimport.ts";
import { type Servers, startServers } from "./servers.ts";
import { throughput } from "./throughput.ts";
import { type VerdictOptions, verdicts } from "./verdicts.ts";

const HELP = `usage: npm run bench -- [options]

Measures the importer in a process of its own between an embedded store and a stand-in DefectDojo that takes as long as the real one, next to the
bare calls by hand on the same servers: 1,000, 10,000 and 100,000 findings, none and all of them duplicates.

  --findings N      one size
  --read-only       DEFECTDOJO_SYNC_FINDINGS_BACK=false: the floor is the import alone
  --raw MIB         import a raw result of that size by a native parser
  --json            an array of {findings, duplicates, requests, wallMs, floorMs, ratio, peakRssMiB} and nothing else on stdout
  --plot            draw docs/performance.svg from what is measured
  --repeat N        the median of N runs (default 1)
  --speedup N       let the stand-in be N times faster than measured (default: 1 for 1,000 findings, 10 for 10,000, 100 for 100,000)
  --mode MODE       of the stand-in: locations (default, DefectDojo 3.x) or endpoints (2.x); of the relay: replace (default), merge or
                    complete (SYNC_MODE). One of each may be given
  --ids-from N      of the stand-in: add N to every id
  --real            measure the DefectDojo of DEFECTDOJO_URL and DEFECTDOJO_APIKEY in place of the stand-in; it keeps what is imported
  --micro           time mapping, event parsing and job encoding
  --throughput      1,000 small scans of 50 products through the service, 200 notifications a second
  --deduplication   81 scans, all duplicates, four at once, before a Celery worker that is 45 s behind: receipts that are wrong
  --reimport        runs of one living test (IMPORT_MODE=reimport), each with 1 % new findings and 1 % gone; --findings N (100), --runs N (365)
  --follow          1,000 scans whose verdicts are followed: 10 idle minutes, 10 verdicts, 1,000 verdicts, and the daily resync
  --verdicts        seconds from each verdict to the bucket, with --real; JUDGE_APIKEY is the key that gives them, if the relay's may not
  --help

Examples:
  npm run bench -- --findings 1000 --repeat 3
  npm run bench -- --findings 1000 --raw 100
  DEFECTDOJO_URL=http://127.0.0.1:8090 DEFECTDOJO_APIKEY=… npm run bench -- --real --findings 1000
`;

const STANDIN_MODES = ["locations", "endpoints"] as const;
const SIZES = [1_000, 10_000, 100_000];
const PLOT = fileURLToPath(new URL("../../docs/performance.svg", import.meta.url));
const MIB = 1024 * 1024;

const { values } = parseArgs({
  options: {
    findings: { type: "string" },
    raw: { type: "string" },
    "read-only": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    plot: { type: "boolean", default: false },
    repeat: { type: "string", default: "1" },
    speedup: { type: "string" },
    mode: { type: "string", multiple: true, default: [] },
    "ids-from": { type: "string", default: "0" },
    real: { type: "boolean", default: false },
    micro: { type: "boolean", default: false },
    throughput: { type: "boolean", default: false },
    deduplication: { type: "boolean", default: false },
    reimport: { type: "boolean", default: false },
    runs: { type: "string" },
    follow: { type: "boolean", default: false },
    verdicts: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const say = (text: string) => process.stderr.write(`${text}\n`);
const print = (rows: readonly object[]) =>
  process.stdout.write(values.json ? `${JSON.stringify(rows, undefined, 2)}\n` : `${table(rows)}\n`);

function count(name: "findings" | "runs" | "raw" | "repeat" | "speedup" | "ids-from"): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number) || number < 0) throw new Error(`--${name} ${text}: no number`);
  return number;
}

async function main(): Promise<void> {
  if (values.help) process.stdout.write(HELP);
  else if (values.micro) print(await micro());
  else if (values.throughput) {
    const options = {
      scans: 1_000,
      products: 50,
      findingsEach: 10,
      concurrency: 8,
      rate: 200,
      speedup: count("speedup") ?? 10,
    };
    print([await throughput(options)]);
  } else if (values.deduplication) {
    const behind = { scans: 81, findingsEach: 10, concurrency: 4, behindMs: 45_000, secondLookSeconds: 60 };
    print([await wrongReceipts(behind)]);
  } else if (values.reimport) print(await livingRuns());
  else if (values.follow) {
    print(await followed({ scans: 1_000, products: 50, findingsEach: 10, followSeconds: 30, idleMinutes: 10 }));
  } else if (values.verdicts) print(await verdicts(realOptions()));
  else await bench();
}

function realOptions(): VerdictOptions {
  const { DEFECTDOJO_LOW_PRIVILEGED_MODE: low, DEFAULT_PRODUCT_TYPE_NAME: productType, JUDGE_APIKEY } = process.env;
  const { url, apiKey } = realDojo();
  const env = {
    ...(low === undefined ? {} : { DEFECTDOJO_LOW_PRIVILEGED_MODE: low }),
    ...(productType === undefined ? {} : { DEFAULT_PRODUCT_TYPE_NAME: productType }),
  };
  return { url, apiKey, judge: JUDGE_APIKEY ?? apiKey, followSeconds: 30, env };
}

function realDojo(): { url: string; apiKey: string } {
  const { DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: apiKey } = process.env;
  if (url === undefined || apiKey === undefined) throw new Error("--real needs DEFECTDOJO_URL and DEFECTDOJO_APIKEY");
  return { url, apiKey };
}

async function livingRuns(): Promise<LivingRun[]> {
  const [findings, runs] = [count("findings") ?? 100, count("runs") ?? 365];
  const servers = await startBenchServers();
  try {
    await servers.pace(1 / (count("speedup") ?? Math.max(1, findings / 1_000)));
    return await reimport(servers, { findings, runs, syncMode: modeOf(SYNC_MODES) }, say);
  } finally {
    await servers.stop();
  }
}

/** The one mode of `all` that was asked for, the first where none was. @throws Error where one is asked for that there is not */
function modeOf<T extends string>(all: readonly [T, ...T[]]): T {
  const unknown = values.mode.find((mode) => ![...STANDIN_MODES, ...SYNC_MODES].some((known) => known === mode));
  if (unknown !== undefined) throw new Error(`--mode ${unknown}: no mode`);
  return all.find((mode) => values.mode.includes(mode)) ?? all[0];
}

async function bench(): Promise<void> {
  const wanted = count("findings");
  const raw = count("raw");
  const syncMode = modeOf(SYNC_MODES);
  const servers = await startBenchServers();
  const results: (Details & { readonly speedup: number })[] = [];
  try {
    for (const findings of wanted === undefined ? SIZES : [wanted]) {
      for (const duplicates of findings === 0 ? [false] : [false, true]) {
        const speedup = values.real ? 1 : (count("speedup") ?? Math.max(1, findings / 1_000));
        const workload = {
          findings,
          duplicates,
          speedup,
          readOnly: values["read-only"],
          syncMode,
          ...(raw === undefined ? {} : { rawBytes: raw * MIB }),
        };
        results.push({ ...(await median(servers, workload, count("repeat") ?? 1)), speedup });
      }
    }
  } finally {
    await servers.stop();
  }
  print(values.json ? results.map(measured) : results.map(detailed));
  if (!values.plot) return;
  await writeFile(PLOT, plot(results));
  say(`drawn: ${PLOT}`);
}

async function startBenchServers(): Promise<Servers> {
  if (!values.real) {
    return await startServers({
      mode: modeOf(STANDIN_MODES),
      idsFrom: count("ids-from") ?? 0,
    });
  }
  return await startServers({}, realDojo());
}

/** The run in the middle, by its ratio: by hand and relayed take turns, so that what else goes on meets both. */
async function median(servers: Servers, workload: Workload, repeat: number): Promise<Details> {
  const runs: Details[] = [];
  for (let run = 1; run <= Math.max(1, repeat); run++) {
    say(`${workload.findings} findings, ${workload.duplicates ? "all" : "none"} duplicates, run ${run}`);
    runs.push(await measure(servers, workload, { concurrency: 4, floor: true }));
  }
  const sorted = runs.toSorted((a, b) => a.ratio - b.ratio);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error("nothing was measured");
  return { ...middle, peakRssMiB: Math.max(...runs.map(({ peakRssMiB }) => peakRssMiB)) };
}

function measured({ findings, duplicates, requests, wallMs, floorMs, ratio, peakRssMiB }: Measured): Measured {
  return { findings, duplicates, requests, wallMs, floorMs, ratio, peakRssMiB };
}

const detailed = (run: Details & { readonly speedup: number }) => ({
  ...measured(run),
  importMs: run.timings["importMs"],
  syncMs: run.timings["syncMs"],
  floorImportMs: run.floorImportMs,
  longestUrl: run.longestUrl,
  speedup: run.speedup,
});

try {
  await main();
} catch (error) {
  say(`bench: ${describeError(error)}`);
  process.exitCode = 1;
}
