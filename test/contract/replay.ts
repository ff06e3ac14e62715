import { readFileSync } from "node:fs";

/** One exchange with a real DefectDojo, as recorded. */
export type Exchange = {
  step: string;
  authorization: "admin" | "low-privileged" | "invalid" | "none";
  method: string;
  path: string;
  request: unknown;
  status: number;
  location?: string;
  response: unknown;
};

type Part = { name: string; value: string } | { name: string; filename: string; content: string };

export type Keys = { admin: string; "low-privileged": string };

/** Which table an id is of, by the name of its field, of its query parameter or of the path it stands in. */
const KINDS: Record<string, string> = {
  test: "test",
  test_id: "test",
  tests: "test",
  engagement: "engagement",
  engagement_id: "engagement",
  engagements: "engagement",
  product: "product",
  product_id: "product",
  products: "product",
  prod_type: "product type",
  product_type_id: "product type",
  product_types: "product type",
  finding: "finding",
  findings: "finding",
  findings_list: "finding",
  findings_affected: "finding",
  finding_includes: "finding",
  findings__finding_includes: "finding",
  duplicate_finding: "finding",
  // In locations mode the endpoints of a finding are ids of location_findings.
  endpoints: "place",
  location_findings: "place",
  location: "location",
  url: "location",
  id_includes: "location",
  test_import: "test import",
  test_imports: "test import",
  test_import_finding_action_set: "import action",
  cicd_orchestration_engine: "cicd",
  cicd_infrastructure: "cicd",
};

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const HTML_PAGE = "<!DOCTYPE html> (an HTML error page)";
/** Random on each server. */
const RANDOM = new Set(["jira_webhook_secret"]);

export function readRecording(file: URL): Exchange[] {
  return (JSON.parse(readFileSync(file, "utf8")) as { exchanges: Exchange[] }).exchanges;
}

/** Sends recorded exchanges to another server, in their order, and tells what is answered otherwise. */
export function createReplay(url: string, keys: Keys): (exchange: Exchange) => Promise<string[]> {
  /** Recorded id to id here, by kind. */
  const bound = new Map<string, number>();
  return async (exchange) => {
    const [pathname = "", query = ""] = exchange.path.split("?");
    const resource = pathname.split("/")[1] ?? "";
    const path = pathname.replace(/\d+/, (id) => String(known(bound, KINDS[resource], Number(id), exchange)));
    const search = query === "" ? "" : `?${translatedQuery(bound, resource, query, exchange)}`;
    const response = await fetch(`${url}/api/v2${path}${search}`, {
      method: exchange.method,
      headers: { ...authorization(exchange, keys), ...contentType(exchange) },
      body: body(bound, exchange),
      redirect: "manual",
    });
    const text = await response.text();
    const differences: string[] = [];
    const differ = (at: string, expected: unknown, got: unknown) => {
      if (expected !== got) differences.push(`${at}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
    };
    differ("status", exchange.status, response.status);
    if (exchange.location !== undefined)
      differ("location", `/api/v2${path}/${search}`, response.headers.get("location"));
    if (exchange.response === HTML_PAGE) differ("HTML", true, text.includes("<!DOCTYPE html>"));
    else if (exchange.response === "") differ("body", "", text);
    else compare({ bound, differ, url }, resource, resource, "", exchange.response, parsed(text));
    return differences;
  };
}

type Comparison = {
  bound: Map<string, number>;
  differ: (at: string, expected: unknown, got: unknown) => void;
  url: string;
};

/** `name`: of the field that is compared; `holder`: of the field or path whose rows are. */
function compare(by: Comparison, holder: string, name: string, at: string, expected: unknown, got: unknown): void {
  if (expected === null || got === null || typeof expected !== "object" || typeof got !== "object") {
    compareValue(by, holder, name, at, expected, got);
  } else if (Array.isArray(expected) || Array.isArray(got)) {
    if (!Array.isArray(expected) || !Array.isArray(got)) {
      by.differ(at, expected, got);
      return;
    }
    by.differ(`${at}.length`, expected.length, got.length);
    const rows = name === "results" ? holder : name;
    for (const [i, row] of expected.entries()) compare(by, rows, name, `${at}[${i}]`, row, got[i] ?? null);
  } else {
    compareObject(by, holder, name, at, expected as Record<string, unknown>, got as Record<string, unknown>);
  }
}

function compareObject(
  by: Comparison,
  holder: string,
  name: string,
  at: string,
  expected: Record<string, unknown>,
  got: Record<string, unknown>,
): void {
  // The ids of rows can be the keys, as in what is prefetched.
  const kind = KINDS[name];
  const byId = kind !== undefined && Object.keys(expected).every((key) => /^\d+$/.test(key));
  const keys = Object.keys(expected).map((key) => [key, byId ? String(by.bound.get(`${kind} ${key}`)) : key] as const);
  by.differ(
    `${at} keys`,
    keys
      .map(([, key]) => key)
      .sort()
      .join(),
    Object.keys(got).sort().join(),
  );
  for (const [recorded, here] of keys) {
    if (here in got)
      compare(by, byId ? name : holder, byId ? name : recorded, `${at}.${here}`, expected[recorded], got[here]);
  }
}

function compareValue(by: Comparison, holder: string, name: string, at: string, expected: unknown, got: unknown): void {
  const kind = KINDS[name === "id" ? holder : name];
  if (kind !== undefined && typeof expected === "number" && typeof got === "number") {
    const key = `${kind} ${expected}`;
    // Two recorded ids cannot be the same one here.
    const taken = [...by.bound].some(([other, id]) => id === got && other !== key && other.startsWith(`${kind} `));
    if (!by.bound.has(key) && !taken) by.bound.set(key, got);
    by.differ(at, by.bound.get(key), got);
  } else if (typeof expected === "string" && MOMENT.test(expected)) {
    by.differ(at, true, typeof got === "string" && MOMENT.test(got));
  } else if ((name === "next" || name === "previous") && typeof expected === "string") {
    const path = expected.replace("http://defectdojo.test/api/v2", "");
    const [before, query = ""] = path.split("?");
    const wanted = translatedQuery(by.bound, holder, query, undefined);
    by.differ(at, `${by.url}/api/v2${before}?${wanted}`, got);
  } else if (RANDOM.has(name)) {
    by.differ(at, typeof expected, typeof got);
  } else {
    by.differ(at, expected, got);
  }
}

function translatedQuery(
  bound: Map<string, number>,
  resource: string,
  query: string,
  exchange: Exchange | undefined,
): string {
  const parameters = query.split("&").map((parameter) => {
    const [name = "", value = ""] = parameter.split("=");
    const kind = KINDS[name === "id" ? resource : name];
    if (kind === undefined || !/^\d+(?:,\d+)*$/.test(value)) return parameter;
    return `${name}=${value.split(",").map((id) => known(bound, kind, Number(id), exchange))}`;
  });
  return parameters.join("&");
}

/** An id that no answer has shown is sent as it is only if it is one that cannot be. */
function known(
  bound: Map<string, number>,
  kind: string | undefined,
  id: number,
  exchange: Exchange | undefined,
): number {
  if (id >= 99_999_999) return id;
  const here = bound.get(`${kind} ${id}`);
  if (here === undefined) throw new Error(`"${exchange?.step}": ${kind} ${id} was in no answer before`);
  return here;
}

function authorization(exchange: Exchange, keys: Keys): Record<string, string> {
  if (exchange.authorization === "none") return {};
  const key = exchange.authorization === "invalid" ? "0123456789abcdef" : keys[exchange.authorization];
  return { Authorization: `Token ${key}` };
}

function contentType(exchange: Exchange): Record<string, string> {
  return exchange.request === null || parts(exchange) !== undefined ? {} : { "Content-Type": "application/json" };
}

function parts(exchange: Exchange): Part[] | undefined {
  return (exchange.request as { multipart?: Part[] } | null)?.multipart;
}

function body(bound: Map<string, number>, exchange: Exchange): FormData | string | null {
  if (exchange.request === null) return null;
  const multipart = parts(exchange);
  if (multipart === undefined) return JSON.stringify(translatedFields(bound, exchange));
  const form = new FormData();
  for (const part of multipart) {
    if ("filename" in part) form.append(part.name, new Blob([part.content]), part.filename);
    else form.append(part.name, translated(bound, part.name, part.value, exchange));
  }
  return form;
}

function translatedFields(bound: Map<string, number>, exchange: Exchange): object {
  const fields = Object.entries(exchange.request as Record<string, unknown>);
  return Object.fromEntries(
    fields.map(([name, value]) => [
      name,
      typeof value === "number" ? Number(translated(bound, name, String(value), exchange)) : value,
    ]),
  );
}

function translated(bound: Map<string, number>, name: string, value: string, exchange: Exchange): string {
  const kind = KINDS[name];
  return kind !== undefined && /^\d+$/.test(value) ? String(known(bound, kind, Number(value), exchange)) : value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
