import { readFileSync } from "node:fs";

/** One recorded exchange with a real DefectDojo. */
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

/** The table of an id, by the name of its field, query parameter or path. */
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
  found_by: "test type",
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
  orchestration_engine: "tool configuration",
  tool_configurations: "tool configuration",
  tool_type: "tool type",
  tool_types: "tool type",
  test_type: "test type",
  test_types: "test type",
  environment: "environment",
  accepted_findings: "finding",
  accepted_risks: "risk acceptance",
  risk_acceptance: "risk acceptance",
};

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const HTML_PAGE = "<!DOCTYPE html> (an HTML error page)";
/** Specific to each server: random, or existing before the recording. */
const LOCAL = new Set([
  "jira_webhook_secret",
  ...["first_name", "last_name", "email", "date_joined", "user_contact_info"],
  ...["product_type_member", "product_member", "dojo_group_member", "members"],
  // The relay never reads notes, which come from people or imports.
  ...["notes", "accepted_risks"],
]);

/** Lists without a defined order. */
const UNORDERED: Readonly<Record<string, (row: never) => number>> = {
  test_import_finding_action_set: ({ finding }: { finding: number }) => finding,
  findings_affected: (id: number) => id,
  "test_imports results": ({ id }: { id: number }) => id,
};

/** A list of everything on the server: its length, and so whether it has another page, depends on the server. */
const UNFILTERED = /^\/findings\/\?o=-last_status_update&limit=2$/;

export function readRecording(file: URL): Exchange[] {
  return (JSON.parse(readFileSync(file, "utf8")) as { exchanges: Exchange[] }).exchanges;
}

/** Maps the recorded id of an object created before the recording to its id here. */
export type Bind = (kind: string, recorded: number, here: number) => void;

export type Replay = { play: (exchange: Exchange) => Promise<string[]>; bind: Bind };

/** Sends recorded exchanges to another server, in order, and returns the differences in its responses. */
export function createReplay(url: string, keys: Keys): Replay {
  /** Recorded id to id here, by kind. */
  const bound = new Map<string, number>();
  const bind: Bind = (kind, recorded, here) => void bound.set(`${kind} ${recorded}`, here);
  const play = async (exchange: Exchange) => {
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
    if (isPage(exchange.response)) differ("HTML", true, text.includes("<!DOCTYPE html>"));
    else if (exchange.response === "" || exchange.response === null) differ("body", "", text);
    else compare({ bound, differ, url }, resource, resource, "", shownHere(exchange), parsed(text));
    return differences;
  };
  return { play, bind };
}

/** Recorded in full, or as a summary. */
const isPage = (response: unknown) =>
  typeof response === "string" && (response === HTML_PAGE || response.trimStart().startsWith("<!DOCTYPE html>"));

/** Without values that depend on other data on the server. */
function shownHere({ path, response }: Exchange): unknown {
  if (UNFILTERED.test(path)) return { ...(response as object), count: LOCAL, next: LOCAL };
  const { statistics, deduplication_complete: complete } = (response ?? {}) as Record<string, unknown>;
  return statistics === undefined || complete !== undefined
    ? response
    : { ...(response as object), statistics: raced(statistics) };
}

/** Before 3.1 the worker that marks duplicates races with the response that counts them. */
function raced(statistics: unknown): unknown {
  if (typeof statistics !== "object" || statistics === null) return statistics;
  const fields = Object.entries(statistics);
  return Object.fromEntries(
    fields.map(([name, value]) => [name, name === "active" || name === "duplicate" ? LOCAL : raced(value)]),
  );
}

type Comparison = {
  bound: Map<string, number>;
  differ: (at: string, expected: unknown, got: unknown) => void;
  url: string;
};

/** `name`: of the field that is compared; `holder`: of the field or path whose rows are. */
function compare(by: Comparison, holder: string, name: string, at: string, expected: unknown, got: unknown): void {
  if (expected === LOCAL || LOCAL.has(name)) return;
  if (expected === null || got === null || typeof expected !== "object" || typeof got !== "object") {
    compareValue(by, holder, name, at, expected, got);
  } else if (Array.isArray(expected) || Array.isArray(got)) {
    if (!Array.isArray(expected) || !Array.isArray(got)) {
      by.differ(at, expected, got);
      return;
    }
    by.differ(`${at}.length`, expected.length, got.length);
    const rows = name === "results" ? holder : name;
    const list = name === "results" ? `${holder} results` : name;
    const others = ordered(list, got);
    for (const [i, row] of ordered(list, expected).entries())
      compare(by, rows, name, `${at}[${i}]`, row, others[i] ?? null);
  } else {
    // `related_fields` adds a row of the field's own table.
    const of = KINDS[name] !== undefined && at !== "" ? name : holder;
    compareObject(by, of, name, at, expected as Record<string, unknown>, got as Record<string, unknown>);
  }
}

function ordered(name: string, rows: readonly unknown[]): readonly unknown[] {
  const key = UNORDERED[name] as ((row: unknown) => number) | undefined;
  return key === undefined ? rows : rows.toSorted((a, b) => key(a) - key(b));
}

function compareObject(
  by: Comparison,
  holder: string,
  name: string,
  at: string,
  expected: Record<string, unknown>,
  got: Record<string, unknown>,
): void {
  // The ids of rows can be keys, as in prefetched rows.
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
    // Two recorded ids cannot map to the same id here.
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

/** An id that no response contained is sent unchanged only if it cannot exist. */
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
  const here = (name: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one) => here(name, one));
    return typeof value === "number" ? Number(translated(bound, name, String(value), exchange)) : value;
  };
  return Object.fromEntries(fields.map(([name, value]) => [name, here(name, value)]));
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
