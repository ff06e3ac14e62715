import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { Refusal, type Reply } from "./http.ts";
import type { Finding } from "./model.ts";
import { closeFinding, createRiskAcceptance, updateFinding } from "./resources/findings.ts";
import { serializeFinding } from "./resources/serialize-finding.ts";
import type { State } from "./state.ts";

/** The buttons of a finding, with the same effect as the API. */
const VERDICTS = {
  "false positive": (state: State, finding: Finding, call: ApiCall) =>
    updateFinding(state, call(finding, { false_p: true, active: false, verified: false })),
  "out of scope": (state: State, finding: Finding, call: ApiCall) =>
    updateFinding(state, call(finding, { out_of_scope: true, active: false })),
  "risk accepted": (state: State, finding: Finding, call: ApiCall) =>
    createRiskAcceptance(state, call(finding, { name: `Risk of ${finding.id}`, accepted_findings: [finding.id] })),
  "under review": (state: State, finding: Finding, call: ApiCall) =>
    updateFinding(state, call(finding, { under_review: true })),
  close: (state: State, finding: Finding, call: ApiCall) => closeFinding(state, call(finding, {})),
  // Like DefectDojo's page, this also revokes the risk acceptance (`reopen_finding` of dojo/finding/views.py).
  reopen: (state: State, finding: Finding, call: ApiCall) =>
    updateFinding(state, call(finding, { active: true, risk_accepted: false, under_review: false })),
} as const;

type ApiCall = (finding: Finding, body: object) => Parameters<typeof updateFinding>[1];
type Verdict = keyof typeof VERDICTS;

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ccc;text-align:left}
button{font:inherit;margin:.2rem;padding:.3rem .8rem}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}a{color:#8bf}}`;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

const HTML = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'`,
};

const html = (value: unknown) =>
  String(value ?? "").replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const document = (title: string, body: string, status = 200): Reply => ({
  status,
  headers: HTML,
  body: `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${html(title)}</title><style>${STYLE}</style>
<p>Stand-in for DefectDojo · <a href="/">products</a></p><h1>${html(title)}</h1>${body}</html>`,
});

const link = (kind: string, id: number, name: string | null) => `<a href="/${kind}/${id}">${html(name)}</a>`;
const list = (items: readonly string[]) => `<ul>${items.map((item) => `<li>${item}</li>`).join("")}</ul>`;

/** One page per kind of object: `/product/1`, `/engagement/1`, `/test/1`, `/finding/1`. */
const PAGES: Readonly<Record<string, (state: State, id: number) => Reply | undefined>> = {
  product: (state, id) => {
    const product = state.products.get(id);
    const engagements = [...state.engagements.values()].filter((each) => each.product === id);
    return (
      product &&
      document(product.name, list(engagements.map((each) => link("engagement", each.id, each.name ?? "engagement"))))
    );
  },
  engagement: (state, id) => {
    const engagement = state.engagements.get(id);
    const tests = [...state.tests.values()].filter((test) => test.engagement === id);
    return (
      engagement &&
      document(engagement.name ?? "engagement", list(tests.map((test) => link("test", test.id, test.title ?? "test"))))
    );
  },
  test: (state, id) => {
    const test = state.tests.get(id);
    return test && document(test.title ?? `Test ${id}`, findingsTable(state, state.findingsByTest.get(id) ?? []));
  },
  finding: (state, id) => {
    const finding = state.findings.get(id);
    return finding && document(finding.title ?? "", findingBody(state, finding));
  },
};

function findingsTable(state: State, findings: readonly Finding[]): string {
  const rows = findings.map(
    (finding) =>
      `<tr><td>${link("finding", finding.id, finding.title)}</td><td>${html(finding.severity)}</td><td>${html(statusOf(state, finding))}</td></tr>`,
  );
  return `<table><tr><th>Finding</th><th>Severity</th><th>Status</th></tr>${rows.join("")}</table>`;
}

const statusOf = (state: State, finding: Finding) => serializeFinding(state, finding).display_status;

function findingBody(state: State, finding: Finding): string {
  const original = finding.duplicate_finding === null ? undefined : state.findings.get(finding.duplicate_finding);
  const buttons = Object.keys(VERDICTS).map((name) => `<button name="verdict" value="${name}">${name}</button>`);
  const known = original === undefined ? "" : `<p>A duplicate of ${link("finding", original.id, original.title)}.</p>`;
  return `<p>${html(finding.severity)} · ${html(statusOf(state, finding))} · in ${link("test", finding.test.id, finding.test.title ?? "its test")}</p>
${known}<form method="post" action="/finding/${finding.id}">${buttons.join("")}</form><pre>${html(finding.description)}</pre>`;
}

/**
 * The stand-in's HTML pages, which the links of receipts open: each button does what the team would do in DefectDojo.
 * @returns undefined for any other path
 */
export async function pageOf(state: State, request: IncomingMessage, path: string): Promise<Reply | undefined> {
  if (path === "/") {
    const products = [...state.products.values()].map(({ id, name }) => link("product", id, name));
    return document("Products", list(products));
  }
  const [, kind = "", digits = ""] = /^\/([a-z]+)\/(\d+)\/?$/.exec(path) ?? [];
  const page = PAGES[kind];
  if (page === undefined) return undefined;
  const id = Number(digits);
  if (request.method === "POST" && kind === "finding") return await judge(state, request, id);
  return page(state, id);
}

/** Accepts only forms from this server's own pages. */
async function judge(state: State, request: IncomingMessage, id: number): Promise<Reply> {
  const finding = state.findings.get(id);
  const { origin, host } = request.headers;
  if (finding === undefined || (origin !== undefined && origin !== `http://${host}`)) return { status: 403, body: "" };
  const verdict = new URLSearchParams(await text(request)).get("verdict") as Verdict;
  const user = state.users.find(({ is_superuser }) => is_superuser) ?? state.users[0];
  const call: ApiCall = ({ id: of }, body) => ({
    ...{ method: "PATCH", path: `/findings/${of}/`, ids: [of], query: new URLSearchParams(), origin: "" },
    ...{ user: user as NonNullable<typeof user>, body, form: undefined },
  });
  try {
    VERDICTS[verdict]?.(state, finding, call);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { non_field_errors: reasons = [] } = error.reply.body as { non_field_errors?: string[] };
    const back = `<p>${link("finding", id, "Back to the finding")}</p>`;
    return document(finding.title ?? "", `<p>Refused: ${html(reasons.join(" "))}</p>${back}`, error.reply.status);
  }
  return { status: 303, headers: { location: `/finding/${id}` }, body: "" };
}
