import type { StandinOptions } from "../../infra/local/defectdojo/options.ts";
import { startStandin } from "../../infra/local/defectdojo/server.ts";
import { createClient } from "../contract/defectdojo-client.ts";

/** The DefectDojo under test. */
export interface LiveDojo {
  /** The relay's settings for it. */
  readonly env: Readonly<Record<string, string>>;
  /** The tests that match a query. */
  tests(query: Readonly<Record<string, string>>): Promise<readonly DojoTest[]>;
  findingCount(testId: number): Promise<number>;
  close(): Promise<void>;
}

interface DojoTest {
  readonly id: number;
  readonly title: string | null;
  readonly build_id: string | null;
  readonly percent_complete: number | null;
}

/** One row per DefectDojo that the suite runs against. */
export interface DojoRow {
  readonly title: string;
  /** Existing data stays, so scans need unique names. */
  readonly real: boolean;
  readonly open: (options?: StandinOptions) => Promise<LiveDojo>;
}

const { DEFECTDOJO_URL, DEFECTDOJO_APIKEY } = process.env;

/** The stand-in responds at once, or it is dead. */
const QUICK = {
  POLL_SECONDS: "0.1",
  DEDUPLICATION_QUIET_SECONDS: "0",
  SECOND_LOOK_SECONDS: "0",
  IMPORT_SETTLE_SECONDS: "5",
  IMPORT_STALLED_SECONDS: "10",
  IMPORT_REFUSAL_SECONDS: "0",
};

/** A real DefectDojo if configured, else the stand-in in both modes. */
export const DOJOS: readonly DojoRow[] =
  DEFECTDOJO_URL && DEFECTDOJO_APIKEY
    ? [{ title: "a real DefectDojo", real: true, open: async () => realDojo(DEFECTDOJO_URL, DEFECTDOJO_APIKEY) }]
    : (["locations", "endpoints"] as const).map((mode) => ({
        title: `the stand-in DefectDojo in ${mode} mode`,
        real: false,
        open: (options) => standinDojo({ ...options, mode }),
      }));

function realDojo(address: string, apiKey: string): LiveDojo {
  const url = address.replace(/\/(?:api\/v2\/?)?$/, "");
  return {
    ...reader(url, apiKey),
    env: { DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: apiKey },
    close: async () => undefined,
  };
}

async function standinDojo(options: StandinOptions): Promise<LiveDojo> {
  const { url, apiKey, close } = await startStandin(options);
  return { ...reader(url, apiKey), env: { ...QUICK, DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: apiKey }, close };
}

function reader(url: string, apiKey: string): Pick<LiveDojo, "tests" | "findingCount"> {
  const client = createClient({ url, apiKey, waits: true });
  const list = async (path: string, query: Readonly<Record<string, string>>) => {
    const { status, text, body } = await client.request("GET", `${path}?${new URLSearchParams(query)}`);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.slice(0, 200)}`);
    return body as { readonly count: number; readonly results: readonly unknown[] };
  };
  return {
    tests: async (query) => (await list("/tests/", query)).results as readonly DojoTest[],
    findingCount: async (testId) => (await list("/findings/", { test: String(testId), limit: "1" })).count,
  };
}
