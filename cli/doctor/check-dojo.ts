import * as z from "zod";
import type { DojoConfig, Env } from "../../lib/config.ts";
import { type DojoApi, dojoApi } from "../../lib/defectdojo/api.ts";
import { dojoCatalog } from "../../lib/defectdojo/catalog.ts";
import { dojoTransport } from "../../lib/defectdojo/dojo-port.ts";
import { detectLocationMode, type LocationMode } from "../../lib/defectdojo/locations.ts";
import { RelayError } from "../../lib/errors.ts";
import { wantedTestTypes } from "../../lib/model/scan-types.ts";
import type { User } from "../../lib/ports/defectdojo.ts";
import { isLoopback } from "../../lib/util/loopback.ts";
import { parseDate } from "../http-date.ts";
import { type Diagnosis, examine, fail, ok, skew, warn } from "./finding.ts";

const MODES: Readonly<Record<LocationMode, string>> = {
  locations: "locations (3.x)",
  "linked-locations": "locations (3.x), read through their links because the token's user is not a superuser",
  endpoints: "endpoints (2.x, or 3.x with the locations feature off)",
};

/** Checks DefectDojo: its URL, the token and its permissions, and the settings there. */
export async function checkDojo(
  config: DojoConfig,
  env: Env,
  productTypeName: string | undefined,
): Promise<Diagnosis[]> {
  const api = dojoApi(dojoTransport(config, env));
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
  const tls = encryption(new URL(config.DEFECTDOJO_URL));
  const checks = await Promise.all([
    examine("DefectDojo version", () => version(api)),
    examine("clock of DefectDojo", async () =>
      skew("clock of DefectDojo", await serverDate(config.DEFECTDOJO_URL), new Date()),
    ),
    examine("rights", () => rights(api, config)),
    examine("product type", () => productType(api, catalog, productTypeName, config)),
    examine("deduplication", () => deduplication(api)),
    examine("end of deduplication", () => endOfDeduplication(api, catalog)),
    examine("location mode", async () => ok("location mode", MODES[await detectLocationMode(api)])),
    examine("test types", () => testTypes(catalog, config)),
    examine("import history", () => importHistory(api, config)),
  ]);
  const limit = ok("upload limit", "not reported by DefectDojo: DD_SCAN_FILE_MAX_SIZE, 100 MB by default");
  return [...token, ...tls, ...checks.flat(), limit];
}

/** What reimport mode knows a run's findings by; import mode does without. */
async function importHistory(api: DojoApi, { IMPORT_MODE: mode }: DojoConfig): Promise<Diagnosis[]> {
  if (mode === "import") return [];
  const { status } = await api.transport.request("GET", "test_imports/", {
    query: [["limit", "1"]],
    expect: [403, 404],
  });
  if (status === 200)
    return [ok("import history", "readable: reimport mode can tell a run's findings from those of others")];
  return [
    fail(
      "import history",
      `GET /api/v2/test_imports/ answers ${status}: IMPORT_MODE=reimport cannot tell a run's findings from those of others`,
      "Let the token read test imports, or set IMPORT_MODE=import.",
    ),
  ];
}

/** An answer over https means that the certificate was verified. */
function encryption({ protocol, hostname }: URL): Diagnosis[] {
  if (protocol === "https:") return [ok("TLS", "the certificate is verified")];
  if (isLoopback(hostname)) return [];
  return [
    warn(
      "TLS",
      "the API key travels unencrypted",
      "Set DEFECTDOJO_URL to an https URL; NODE_EXTRA_CA_CERTS adds a private CA.",
    ),
  ];
}

/** The version from the API's own schema; undefined when the token may not read it. */
async function toldVersion(api: DojoApi): Promise<string | undefined> {
  const schema = z.object({ info: z.object({ version: z.string() }) });
  const { status, body } = await api.transport.request("GET", "oa3/schema/", {
    query: [["format", "json"]],
    expect: [403, 404],
  });
  const parsed = schema.safeParse(body);
  return status === 200 && parsed.success ? parsed.data.info.version : undefined;
}

async function version(api: DojoApi): Promise<Diagnosis> {
  const told = await toldVersion(api);
  if (told === undefined)
    return ok("DefectDojo version", `not reported; judging by its responses ${await byFeatures(api)}`);
  const major = Number(told.split(".")[0]);
  if (major === 2 || major === 3) return ok("DefectDojo version", told);
  return warn(
    "DefectDojo version",
    `${told} is not tested with dojo-relay`,
    "Use 2.x or 3.x, or try one scan and look at its receipt.",
  );
}

/** Only 3.x has locations and separate orchestration engines. */
async function byFeatures(api: DojoApi): Promise<string> {
  const there = async (path: string) =>
    (await api.transport.request("GET", path, { query: [["limit", "1"]], expect: [403, 404] })).status !== 404;
  return (await there("location/")) || (await there("cicd_infrastructure/")) ? "3.x" : "2.x";
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

/** A permission that a token may lack, besides the imports themselves. */
interface Right {
  readonly may: (api: DojoApi) => Promise<boolean>;
  readonly without: string;
  /** Whether this configuration cannot work without it; undefined when it is not needed at all. */
  readonly needed: (config: DojoConfig) => boolean | undefined;
}

/** One row per permission that only the mode with full privileges needs. */
const RIGHTS: readonly Right[] = [
  {
    may: async (api) =>
      (await api.transport.request("GET", "users/", { query: [["limit", "1"]], expect: [403] })).status === 200,
    without: "read users: DEFECTDOJO_USERNAME cannot be looked up",
    needed: ({ DEFECTDOJO_USERNAME }) => (DEFECTDOJO_USERNAME === undefined ? undefined : true),
  },
  {
    may: (api) => mayCreate(api, "product_types/"),
    without: "create product types: those that scans name must exist beforehand",
    needed: () => false,
  },
  {
    may: async (api) =>
      (await mayCreate(api, "cicd_infrastructure/")) || (await mayCreate(api, "tool_configurations/")),
    without: "create the orchestration engine: engagements are linked to secureCodeBox only if it exists already",
    needed: () => false,
  },
];

async function rights(api: DojoApi, config: DojoConfig): Promise<Diagnosis[]> {
  if (config.DEFECTDOJO_LOW_PRIVILEGED_MODE)
    return [ok("rights", "low-privileged mode: makes no request that such a token may not")];
  const missing = await Promise.all(
    RIGHTS.map(async ({ may, without, needed }) => {
      const need = needed(config);
      if (need === undefined || (await may(api))) return [];
      const remedy = "Set DEFECTDOJO_LOW_PRIVILEGED_MODE=true, or make the token's user staff.";
      return [(need ? fail : warn)("rights", `the token may not ${without}`, remedy)];
    }),
  );
  const found = missing.flat();
  return found.length === 0
    ? [ok("rights", "may do everything that is needed with users, product types and orchestration engines")]
    : found;
}

/**
 * Whether a POST there would be allowed. It creates nothing: DefectDojo checks rights before fields, and all required
 * there are missing.
 */
async function mayCreate(api: DojoApi, path: string, fields: Readonly<Record<string, number>> = {}): Promise<boolean> {
  const { status } = await api.transport.request("POST", path, { json: fields, expect: [400, 403, 404, 405] });
  return status === 400;
}

async function productType(
  api: DojoApi,
  catalog: ReturnType<typeof dojoCatalog>,
  name: string | undefined,
  { DEFECTDOJO_LOW_PRIVILEGED_MODE: lowPrivileged }: DojoConfig,
): Promise<Diagnosis> {
  const there = await catalog.productType(name ?? 1, false).catch(async (error: unknown) => {
    const missing = error instanceof RelayError && error.reason === "product-type-missing";
    if (missing && name !== undefined && !lowPrivileged && (await mayCreate(api, "product_types/"))) return undefined;
    throw error;
  });
  if (there === undefined)
    return ok("product type", `${JSON.stringify(name)} does not exist; it is created when a scan names it`);
  const { id, name: found } = there;
  const which = `${JSON.stringify(found)} (id ${id}${name === undefined ? ", the default" : ""})`;
  if (await mayCreate(api, "products/", { prod_type: id })) {
    return ok("product type", `${which} exists, and the token may create products in it`);
  }
  const remedy = "Add the token's user to the product type (Product Types > Authorized Users), or use another one.";
  return fail("product type", `${which} exists, but the token may not create products in it`, remedy);
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
    "off: every finding will be new",
    'Switch on "Deduplicate findings" in DefectDojo\'s system settings.',
  );
}

/** The first version whose imports say when deduplication is done. */
const TELLS_SINCE = [3, 1] as const;

/** Before 3.1, receipts are certain only if the user's imports wait for deduplication. */
async function endOfDeduplication(api: DojoApi, catalog: ReturnType<typeof dojoCatalog>): Promise<Diagnosis> {
  const told = await toldVersion(api);
  const [major = 0, minor = 0] = (told ?? (await byFeatures(api))).split(".").map((part) => Number.parseInt(part, 10));
  const tells = major > TELLS_SINCE[0] || (major === TELLS_SINCE[0] && !(minor < TELLS_SINCE[1]));
  if (tells) return ok("end of deduplication", "reported by the import's response");
  if (await catalog.blocksExecution())
    return ok("end of deduplication", "within the import: the token's user blocks execution");
  return warn(
    "end of deduplication",
    "not reported before 3.1: the relay waits until the number of duplicates is stable, and looks again later",
    'Tick "Block execution" in the profile of the token\'s user (Users > the user > Edit); duplicates are marked within the import then.',
  );
}

async function testTypes(catalog: ReturnType<typeof dojoCatalog>, config: DojoConfig): Promise<Diagnosis> {
  const wanted = wantedTestTypes(config.SCAN_TYPE_MAP);
  const there = await Promise.all(wanted.map((name) => catalog.hasTestType(name)));
  const missing = wanted.filter((_, index) => !there[index]);
  if (missing.length === 0) return ok("test types", `all ${wanted.length} required parsers exist`);
  return warn(
    "test types",
    `no parser ${missing.join(", ")}`,
    "Such scans are imported as Generic Findings Import; a newer DefectDojo has them.",
  );
}
