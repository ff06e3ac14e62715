import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Standin } from "../../infra/local/defectdojo/server.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { readStoreConfig } from "../../lib/config.ts";
import type { Log } from "../../lib/observe.ts";
import { readSmall } from "../../lib/ports/read-small.ts";
import type { Progress } from "../../lib/progress.ts";
import { type Service, startService } from "../runtime/service.ts";
import { uploadScan } from "../scan-folder.ts";
import { type Row, toRow } from "./rows.ts";

/** Longer than any sample takes. */
const MOST_BYTES = 16 * 1024 * 1024;

const local = (folder: string) => fileURLToPath(new URL(`../../infra/local/${folder}`, import.meta.url));

/** The scans of the story, in the order in which they arrive. */
export const SCANS = {
  monday: local("scans"),
  tuesday: local("demo/tuesday"),
  refused: local("demo/refused"),
  broken: local("demo/broken"),
} as const;

/** A finding as stored in the bucket. */
export interface BucketFinding {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What the story runs on: the service with its embedded stores, and a DefectDojo. */
export interface Stage {
  readonly service: Service;
  /** Undefined when DEFECTDOJO_URL names the user's own. */
  readonly standin: Standin | undefined;
  /** Uploads every scan of a folder. @returns how each of them ended */
  arrive(folder: string): Promise<Row[]>;
  /** The next outcome of the scan's job that satisfies `wanted`. */
  ended(scan: string, wanted?: (row: Row) => boolean): Promise<Row>;
  findings(scan: string): Promise<BucketFinding[]>;
  put(scan: string, name: string, text: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts the service in a temporary folder, and a stand-in DefectDojo where none is set. */
export async function startStage(log: Log): Promise<Stage> {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-demo-"));
  const standin = process.env["DEFECTDOJO_URL"] ? undefined : await startStandin();
  const watchers = new Set<(key: string, row: Row) => void>();
  const onProgress = (progress: Progress) => {
    const row = toRow(progress);
    if (row !== undefined) for (const watch of watchers) watch(progress.job.key, row);
  };
  const close = async (service?: Service) => {
    await service?.stop();
    await standin?.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const service = await startService(
      { ...settings(dataDir), ...process.env, ...addressOf(standin) },
      log,
      onProgress,
    );
    return { standin, ...onService(service, watchers), close: () => close(service) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startStandin(): Promise<Standin> {
  const server = await import("../../infra/local/defectdojo/server.ts");
  return await server.startStandin();
}

const settings = (dataDir: string) => ({
  PORT: "0",
  DATA_DIR: dataDir,
  POLL_SECONDS: "0.2",
  DEDUPLICATION_QUIET_SECONDS: "1",
  IMPORT_REFUSAL_SECONDS: "0",
  FOLLOW_SECONDS: "1",
});

const addressOf = (standin: Standin | undefined) =>
  standin === undefined ? {} : { DEFECTDOJO_URL: standin.url, DEFECTDOJO_APIKEY: standin.apiKey };

function onService(service: Service, watchers: Set<(key: string, row: Row) => void>): Omit<Stage, "standin" | "close"> {
  const { bucket } = service;
  const { FINDINGS_NAME: findingsName } = readStoreConfig(process.env);
  const storage = s3Storage(service.clients.s3);
  const keyOf = (scan: string, name = findingsName) => `${scan}/${name}`;
  const ended = (scan: string, wanted: (row: Row) => boolean = () => true) =>
    new Promise<Row>((resolve) => {
      const watch = (key: string, row: Row) => {
        if (key !== keyOf(scan) || !wanted(row)) return;
        watchers.delete(watch);
        resolve(row);
      };
      watchers.add(watch);
    });
  return {
    service,
    ended,
    arrive: async (folder) => {
      const scans = (await readdir(folder)).sort();
      const ends = scans.map((scan) => ended(scan));
      for (const scan of scans) {
        await uploadScan(service.clients.s3, join(folder, scan), { bucket, prefix: "", findingsName });
      }
      return await Promise.all(ends);
    },
    findings: async (scan) => {
      const found = await readSmall(storage, { bucket, key: keyOf(scan) }, MOST_BYTES, "findings-too-large");
      return JSON.parse(found?.bytes.toString("utf8") ?? "[]") as BucketFinding[];
    },
    put: async (scan, name, text) => {
      await storage.write({ bucket, key: keyOf(scan, name) }, text, { contentType: "application/json" });
    },
  };
}
