/** A DefectDojo that the contract suite tests. */
export type Server = {
  /** Without `/api/v2`. */
  url: string;
  apiKey: string;
  /** API key of a user who is authorized for at least one product type but not a superuser. */
  lowPrivilegedApiKey?: string;
  /** Whether the server deduplicates, and waits for it on request. */
  waits: boolean;
};

type Answer = {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of an answer
  body: any;
};

export type Who = "admin" | "low-privileged" | "nobody" | "unknown";

export type Client = {
  server: Server;
  request: (method: string, path: string, body?: unknown, as?: Who) => Promise<Answer>;
  /** `import-scan`, or another path that accepts a report. */
  upload: (
    fields: Record<string, string | number>,
    report: Report | undefined,
    options?: UploadOptions,
  ) => Promise<Answer>;
};

export type Report = { name: string; content: string };
type UploadOptions = { path?: string; as?: Who; signal?: AbortSignal };

export function createClient(server: Server): Client {
  const authorization = (who: Who): Record<string, string> => {
    if (who === "nobody") return {};
    const key = { admin: server.apiKey, "low-privileged": server.lowPrivilegedApiKey, unknown: "0123456789" }[who];
    return { Authorization: `Token ${key}` };
  };
  const send = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${server.url}/api/v2${path}`, { redirect: "manual", ...init });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };
  return {
    server,
    request: (method, path, body, as = "admin") =>
      send(path, {
        method,
        headers: { ...authorization(as), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
      }),
    upload: (fields, report, { path = "/import-scan/", as = "admin", signal } = {}) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
      if (report !== undefined) form.append("file", new Blob([report.content]), report.name);
      const abort = signal === undefined ? {} : { signal };
      return send(path, { method: "POST", headers: authorization(as), body: form, ...abort });
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The measured versions; one in between counts as the older. */
export type Version = "2.34" | "2.58" | "3.x";

/** By the fields of `user_profile/` (recorded): `date_joined` came after 2.34, `is_staff` with 3.x. */
async function versionOf(client: Client): Promise<Version> {
  const { user } = (await client.request("GET", "/user_profile/")).body;
  if ("is_staff" in user) return "3.x";
  return "date_joined" in user ? "2.58" : "2.34";
}

/** The objects of a test run, with unique names. */
export type World = {
  client: Client;
  run: string;
  mode: "locations" | "endpoints";
  version: Version;
  productType: number;
  product: number;
  engagement: number;
  /** A product type, product and engagement of the low-privileged user. */
  own: { productType: number; product: number; engagement: number } | undefined;
};

export async function createWorld(server: Server): Promise<World> {
  const version = await versionOf(createClient(server));
  const client = createClient({ ...server, waits: server.waits && version === "3.x" });
  const run = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 6)}`;
  const create = async (path: string, body: object, as: Who = "admin"): Promise<number> => {
    const answer = await client.request("POST", path, body, as);
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text.slice(0, 200)}`);
    return answer.body.id;
  };
  const productType = await create("/product_types/", { name: `Type ${run}` });
  const product = await create("/products/", { name: `Product ${run}`, description: "x", prod_type: productType });
  const engagement = await create("/engagements/", engagementOf(product));
  const links = await client.request("GET", "/location_findings/?limit=1");
  const mode = links.status === 404 ? "endpoints" : "locations";
  let own: World["own"];
  if (server.lowPrivilegedApiKey !== undefined) {
    const types = await client.request("GET", "/product_types/?limit=1", undefined, "low-privileged");
    const type: number | undefined = types.body.results[0]?.id;
    if (type === undefined) throw new Error("the low-privileged user is authorized for no product type");
    const body = { name: `Own ${run}`, description: "x", prod_type: type };
    const ownProduct = await create("/products/", body, "low-privileged");
    const ownEngagement = await create("/engagements/", engagementOf(ownProduct), "low-privileged");
    own = { productType: type, product: ownProduct, engagement: ownEngagement };
  }
  return { client, run, mode, version, productType, product, engagement, own };
}

export async function newEngagement(world: World, more: object = {}): Promise<number> {
  const answer = await world.client.request("POST", "/engagements/", { ...engagementOf(world.product), ...more });
  return answer.body.id;
}

export function engagementOf(product: number): object {
  return { name: "nightly", version: "1", product, target_start: "2026-01-01", target_end: "2026-01-02" };
}

export const GENERIC = "Generic Findings Import";

/** A generic report. */
export function report(...findings: object[]): Report {
  const complete = findings.map((finding) => ({ title: "Finding", severity: "Low", description: "text", ...finding }));
  return { name: "findings.json", content: JSON.stringify({ findings: complete }) };
}

/** Imports findings, waits for deduplication, and returns the id of their test. */
export async function importFindings(world: World, engagement: number, ...findings: object[]): Promise<number> {
  const fields = { scan_type: GENERIC, engagement, deduplication_execution_mode: "async_wait" };
  return (await world.client.upload(fields, report(...findings))).body.test_id;
}
