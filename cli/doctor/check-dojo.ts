import * as z from "zod";
import { apiKeySource } from "../../lib/api-key.ts";
import type { DojoConfig, Env } from "../../lib/config.ts";
import { type DojoApi, dojoApi } from "../../lib/defectdojo/api.ts";
import { dojoCatalog } from "../../lib/defectdojo/catalog.ts";
import { httpTransport } from "../../lib/defectdojo/http.ts";
import { detectLocationMode, type LocationMode } from "../../lib/defectdojo/locations.ts";
import type { User } from "../../lib/defectdojo/port.ts";
import { wantedTestTypes } from "../../lib/scan-types.ts";
import { parseDate } from "../http-date.ts";
import { type Diagnosis, examine, fail, ok, skew, warn } from "./finding.ts";

const MODES: Readonly<Record<LocationMode, string>> = {
  locations: "locations (3.x)",
  "linked-locations": "locations (3.x), read through their links as the token is no superuser's",
  endpoints: "endpoints (2.x, or 3.x with the locations feature off)",
};

/** DefectDojo: its address, the token, what that may do, and what is set up there. */
export async function checkDojo(
  config: DojoConfig,
  env: Env,
  productTypeName: string | undefined,
): Promise<Diagnosis[]> {
  const transport = httpTransport({
    baseUrl: config.DEFECTDOJO_URL,
    apiKey: apiKeySource(config),
    timeoutMs: config.DEFECTDOJO_TIMEOUT_SECONDS * 1000,
    proxyEnv: env,
  });
  const api = dojoApi(transport);
  const catalog = dojoCatalog(api);
  let user: User | undefined;
  const token = await examine("DefectDojo token", async () => {
    user = await catalog.user();
    return ok(
      "DefectDojo token",
      `valid: user ${JSON.stringify(user.username)}${user.superuser ? ", a superuser" : ""}, at ${config.DEFECTDOJO_URL}`,
    );
  });
  if (user === undefined) return token;
  const checks = await Promise.all([
    examine("DefectDojo version", () => version(api)),
    examine("clock of DefectDojo", async () =>
      skew("clock of DefectDojo", await serverDate(config.DEFECTDOJO_URL), new Date()),
    ),
    examine("rights", () => rights(api, config)),
    examine("product type", () => productType(catalog, productTypeName, config)),
    examine("deduplication", () => deduplication(api)),
    examine("location mode", async () => ok("location mode", MODES[await detectLocationMode(api)])),
    examine("test types", () => testTypes(catalog, config)),
  ]);
  const limit = ok("upload limit", "not told by DefectDojo: DD_SCAN_FILE_MAX_SIZE there, 100 MB by default");
  return [...token, ...checks.flat(), limit];
}

async function version(api: DojoApi): Promise<Diagnosis> {
  const schema = z.object({ info: z.object({ version: z.string() }) });
  const { status, body } = await api.transport.request("GET", "oa3/schema/", {
    query: [["format", "json"]],
    expect: [403, 404],
  });
  const parsed = schema.safeParse(body);
  if (status !== 200 || !parsed.success) return ok("DefectDojo version", "not told to this token");
  const { version: told } = parsed.data.info;
  const major = Number(told.split(".")[0]);
  if (major === 2 || major === 3) return ok("DefectDojo version", told);
  return warn(
    "DefectDojo version",
    `${told} is not one that dojo-relay was tried with`,
    "Use 2.x or 3.x, or try one scan and look at its receipt.",
  );
}

/** The `Date` of an answer that needs no key. */
async function serverDate(url: string): Promise<Date | undefined> {
  const response = await fetch(`${url}/api/v2/`, {
    method: "HEAD",
    redirect: "manual",
    signal: AbortSignal.timeout(10_000),
  });
  return parseDate(response.headers.get("date") ?? undefined);
}

/** One row a path that only some tokens may read, and what goes without it. */
const RIGHTS = [
  [
    "users/",
    "DEFECTDOJO_USERNAME cannot be looked up",
    (config: DojoConfig) => config.DEFECTDOJO_USERNAME !== undefined,
  ],
  ["cicd_infrastructure/", "engagements are not linked to secureCodeBox as orchestration engine", () => false],
] as const;

async function rights(api: DojoApi, config: DojoConfig): Promise<Diagnosis[]> {
  if (config.DEFECTDOJO_LOW_PRIVILEGED_MODE)
    return [ok("rights", "low-privileged mode: nothing is asked for that such a token may not")];
  const missing: Diagnosis[] = [];
  for (const [path, without, needed] of RIGHTS) {
    const { status } = await api.transport.request("GET", path, { query: [["limit", "1"]], expect: [403, 404] });
    if (status !== 403) continue;
    const remedy = "Set DEFECTDOJO_LOW_PRIVILEGED_MODE=true, or give the token's user staff rights.";
    missing.push((needed(config) ? fail : warn)("rights", `the token may not read ${path}: ${without}`, remedy));
  }
  return missing.length === 0 ? [ok("rights", "users and orchestration engines may be read")] : missing;
}

async function productType(
  catalog: ReturnType<typeof dojoCatalog>,
  name: string | undefined,
  config: DojoConfig,
): Promise<Diagnosis> {
  const { id, name: found } = await catalog.productType(name ?? 1, false);
  const creates = config.DEFECTDOJO_LOW_PRIVILEGED_MODE
    ? "others must be there before"
    : "others are created where a scan names them";
  return ok(
    "product type",
    `${JSON.stringify(found)} (id ${id}) is there${name === undefined ? ", the default" : ""}; ${creates}`,
  );
}

async function deduplication(api: DojoApi): Promise<Diagnosis> {
  const settings = z.object({ results: z.array(z.object({ enable_deduplication: z.boolean() })) });
  const { status, body } = await api.transport.request("GET", "system_settings/", { expect: [403] });
  const parsed = settings.safeParse(body);
  if (status === 403 || !parsed.success) {
    return warn(
      "deduplication",
      "unknown: the token may not read the system settings",
      'Ask an administrator whether "Deduplicate findings" is on: it is off in a fresh installation.',
    );
  }
  if (parsed.data.results[0]?.enable_deduplication === true) return ok("deduplication", "switched on");
  return warn(
    "deduplication",
    "switched off: every finding will be new",
    'Switch on "Deduplicate findings" in DefectDojo\'s system settings.',
  );
}

async function testTypes(catalog: ReturnType<typeof dojoCatalog>, config: DojoConfig): Promise<Diagnosis> {
  const wanted = wantedTestTypes(config.SCAN_TYPE_MAP);
  const there = await Promise.all(wanted.map((name) => catalog.hasTestType(name)));
  const missing = wanted.filter((_, index) => !there[index]);
  if (missing.length === 0)
    return ok("test types", `all ${wanted.length} parsers that scans are imported with are there`);
  return warn(
    "test types",
    `no parser ${missing.join(", ")}`,
    "Such scans are imported as Generic Findings Import; a newer DefectDojo has them.",
  );
}
