import { seesTest } from "../auth.ts";
import { cleaned, type Fields } from "../fields.ts";
import {
  boolean,
  contains,
  exactIgnoringCase,
  type Filter,
  idList,
  numberIn,
  reference,
  rowTests,
  sorted,
} from "../filters.ts";
import { type Call, fieldError, fieldErrors, forbidden, notFound, type Reply } from "../http.ts";
import { removeFindings } from "../importing/remove.ts";
import { titlecase } from "../importing/titlecase.ts";
import { type Finding, SEVERITIES } from "../model.ts";
import { page, paged } from "../paging.ts";
import { findingsOfProduct, productOfTest, type State } from "../state.ts";
import { prefetched } from "./prefetch.ts";
import { relatedFields } from "./related-fields.ts";
import { numericalSeverity, serializeFinding } from "./serialize-finding.ts";

function filters(state: State): Record<string, Filter<Finding>> {
  return {
    id: numberIn((f) => f.id),
    test: reference(state.tests, (f) => f.test.id),
    test__engagement: numberIn((f) => f.test.engagement),
    test__engagement__product: numberIn((f) => productOfTest(state, f.test)?.id ?? null),
    test__engagement__product__prod_type: numberIn((f) => productOfTest(state, f.test)?.prod_type ?? null),
    test__test_type: numberIn((f) => f.test.test_type),
    product_name: exactIgnoringCase((f) => productOfTest(state, f.test)?.name ?? ""),
    found_by: numberIn((f) => f.found_by),
    endpoints: numberIn((f) => f.endpoints),
    duplicate_finding: reference(state.findings, (f) => f.duplicate_finding),
    cwe: numberIn((f) => f.cwe),
    active: boolean((f) => f.active),
    duplicate: boolean((f) => f.duplicate),
    false_p: boolean((f) => f.false_p),
    is_mitigated: boolean((f) => f.is_mitigated),
    out_of_scope: boolean((f) => f.out_of_scope),
    risk_accepted: boolean((f) => f.risk_accepted),
    verified: boolean((f) => f.verified),
    under_review: boolean((f) => f.under_review),
    title: contains((f) => f.title),
    exact_title: exactIgnoringCase((f) => f.title),
    description: contains((f) => f.description),
    hash_code: contains((f) => f.hash_code),
    unique_id_from_tool: contains((f) => f.unique_id_from_tool),
    component_name: contains((f) => f.component_name),
    severity: (value) => {
      const wanted = value.split(",");
      return (f) => wanted.includes(f.severity);
    },
    last_reviewed: within(state, (f) => f.last_reviewed),
  };
}

/** Choices of a `DateRangeFilter`, in days back: today, a week, a month, a quarter, a year. */
const DAYS_BACK: Readonly<Record<string, number>> = { 1: 0, 2: 7, 3: 30, 4: 90, 7: 365 };

function within(state: State, of: (finding: Finding) => string): Filter<Finding> {
  return (value) => {
    const days = DAYS_BACK[value];
    if (days === undefined) {
      const text = `Select a valid choice. ${value} is not one of the available choices.`;
      return { text, code: "invalid_choice" };
    }
    const from = Date.parse(state.today()) - days * 86_400_000;
    return (f) => Date.parse(of(f)) >= from;
  };
}

const ORDERINGS: Record<string, (finding: Finding) => unknown> = {
  id: (f) => f.id,
  title: (f) => f.title,
  date: (f) => f.date,
  created: (f) => f.created,
  severity: (f) => f.severity,
  numerical_severity: numericalSeverity,
  active: (f) => f.active,
  duplicate: (f) => f.duplicate,
  verified: (f) => f.verified,
  false_p: (f) => f.false_p,
  is_mitigated: (f) => f.is_mitigated,
  cwe: (f) => f.cwe,
  last_status_update: (f) => f.last_status_update,
  last_reviewed: (f) => f.last_reviewed,
  under_review: (f) => f.under_review,
};

export function listFindings(state: State, call: Call): Reply {
  const rows = sorted(call, selected(state, call), ORDERINGS);
  const shown = page(call, rows);
  const related = call.query.get("related_fields") === "true";
  const serialize = (row: Finding) => ({
    ...serializeFinding(state, row),
    ...(related ? { related_fields: relatedFields(state, row) } : {}),
  });
  return paged(call, rows, serialize, { prefetch: prefetched(state, call, "findings", shown) });
}

export function getFinding(state: State, call: Call): Reply {
  const finding = find(state, call);
  return {
    status: 200,
    body: { ...serializeFinding(state, finding), prefetch: prefetched(state, call, "findings", [finding]) },
  };
}

const CHANGEABLE: Fields = {
  title: { kind: "text", maxLength: 511 },
  severity: { kind: "text" },
  description: { kind: "text" },
  mitigation: { kind: "text", nullable: true, blank: true },
  impact: { kind: "text", nullable: true, blank: true },
  active: { kind: "boolean" },
  verified: { kind: "boolean" },
  false_p: { kind: "boolean" },
  duplicate: { kind: "boolean" },
  out_of_scope: { kind: "boolean" },
  risk_accepted: { kind: "boolean" },
  under_review: { kind: "boolean" },
  is_mitigated: { kind: "boolean" },
  mitigated: { kind: "datetime", nullable: true },
  tags: { kind: "tags" },
};

export function updateFinding(state: State, call: Call): Reply {
  const finding = find(state, call);
  const given = cleaned(call.body, CHANGEABLE, true) as Partial<Finding>;
  refuseContradictions(state, finding, given);
  if (given.title !== undefined) given.title = titlecase(given.title);
  const before = { ...finding };
  Object.assign(finding, given, { updated: state.timestamp() });
  settleStatus(state, finding, before, call.user.id);
  const { push_to_jira: _, ...body } = serializeFinding(state, finding);
  return { status: 200, body };
}

/** `close/` ignores the client's time: `mitigated` is set to now (EDITABLE_MITIGATED_DATA=false). */
export function closeFinding(state: State, call: Call): Reply {
  const finding = find(state, call);
  const before = { ...finding };
  Object.assign(finding, { is_mitigated: true, active: false, mitigated: state.timestamp() });
  if (state.settings.profile.closingEndsReview) finding.under_review = false;
  settleStatus(state, finding, before, call.user.id);
  const { is_mitigated, mitigated, false_p, out_of_scope, duplicate, mitigated_by } = finding;
  return {
    status: 200,
    body: { is_mitigated, mitigated, false_p, out_of_scope, duplicate, mitigated_by, note_type: null },
  };
}

/** A note counts as a review, except on 2.34. Its text is not stored. */
export function noteFinding(state: State, call: Call): Reply {
  const finding = find(state, call);
  const { entry, private: isPrivate = false } = call.body as { entry?: string; private?: boolean };
  if (entry === undefined || entry === "") throw fieldError("entry", "This field is required.", "required");
  const date = state.timestamp();
  if (state.settings.profile.notesReview)
    Object.assign(finding, { last_reviewed: date, last_reviewed_by: call.user.id, updated: date });
  return { status: 201, body: { entry, date, private: isPrivate, edited: false } };
}

const ACCEPTANCE = {
  path: "No proof has been supplied",
  recommendation_details: null,
  decision_details: null,
  accepted_by: null,
  expiration_date: null,
  expiration_date_warned: null,
  expiration_date_handled: null,
  reactivate_expired: true,
  restart_sla_expired: false,
  notes: [],
};

/** Accepts the risk of findings, regardless of `enable_simple_risk_acceptance` in their product. */
export function createRiskAcceptance(state: State, call: Call): Reply {
  const body = call.body as { name?: string; owner?: number; accepted_findings?: number[] };
  const now = state.timestamp();
  const accepted = (body.accepted_findings ?? []).flatMap((id) => state.findings.get(id) ?? []);
  for (const finding of state.settings.profile.acceptanceMarks ? accepted : []) {
    const before = { ...finding };
    Object.assign(finding, { risk_accepted: true, active: false, updated: now });
    settleStatus(state, finding, before, call.user.id);
  }
  return {
    status: 201,
    body: {
      id: state.nextId("riskAcceptance"),
      ...ACCEPTANCE,
      ...body,
      accepted_findings: accepted.map(({ id }) => id),
      created: now,
      updated: now,
    },
  };
}

export function deleteFinding(state: State, call: Call): Reply {
  const finding = find(state, call);
  if (!call.user.is_superuser) throw forbidden();
  removeFindings(state, [finding]);
  const others = (state.findingsByTest.get(finding.test.id) ?? []).filter((f) => f !== finding);
  state.findingsByTest.set(finding.test.id, others);
  return { status: 204 };
}

function refuseContradictions(state: State, finding: Finding, given: Partial<Finding>): void {
  if (given.severity !== undefined && !SEVERITIES.includes(given.severity)) {
    const choices = `[${SEVERITIES.map((s) => `'${s}'`).join(", ")}]`;
    throw fieldError("severity", `Severity must be one of the following: ${choices}`, "invalid");
  }
  if (given.mitigated !== undefined && given.mitigated !== null) {
    throw fieldError("mitigated", "Editing mitigated timestamp is disabled (EDITABLE_MITIGATED_DATA=false)", "invalid");
  }
  const after = { ...finding, ...given };
  const simpleAcceptance = productOfTest(state, finding.test)?.rest.enable_simple_risk_acceptance === true;
  const reasons: [boolean, string][] = [
    [(after.active || after.verified) && after.duplicate, "Duplicate findings cannot be verified or active"],
    [after.false_p && after.verified, "False positive findings cannot be verified."],
    [
      after.risk_accepted && !finding.risk_accepted && !simpleAcceptance,
      "Simple risk acceptance is disabled for this product, use the UI to accept this finding.",
    ],
    [after.active && after.risk_accepted, "Active findings cannot be risk accepted."],
  ];
  const reason = reasons.find(([holds]) => holds);
  if (reason !== undefined) throw fieldErrors({ non_field_errors: [{ text: reason[1], code: "invalid" }] });
}

/** Changes that update `last_status_update`; a review or a manual change of severity does not (measured on 2.34, 2.58 and 3.2). */
const STATUS = ["active", "verified", "false_p", "duplicate", "out_of_scope", "is_mitigated", "risk_accepted"] as const;

/** Side effects of a status change: `update_finding_status` of `dojo/finding/helper.py`. */
function settleStatus(state: State, finding: Finding, before: Finding, user: number): void {
  const now = state.timestamp();
  const changed = (name: keyof Finding) => finding[name] !== before[name];
  const close = () =>
    Object.assign(finding, { mitigated: finding.mitigated ?? now, mitigated_by: finding.mitigated_by ?? user });
  const reopen = () => Object.assign(finding, { mitigated: null, mitigated_by: null });
  if (finding.is_mitigated) close();
  else if (changed("is_mitigated")) reopen();
  if (changed("active") && finding.active) {
    reopen();
    Object.assign(finding, { false_p: false, out_of_scope: false, is_mitigated: false });
  }
  if ((changed("false_p") || changed("out_of_scope")) && (finding.false_p || finding.out_of_scope)) {
    close();
    Object.assign(finding, { is_mitigated: true, active: false, verified: false });
  }
  if (!STATUS_FIELDS.some(changed)) return;
  if (!finding.duplicate) finding.duplicate_finding = null;
  if (STATUS.some(changed)) finding.last_status_update = now;
}

/** The fields whose change updates `last_status_update`: those that the handler in `dojo/finding/helper.py` watches. */
const STATUS_FIELDS = [
  "active",
  "verified",
  "false_p",
  "is_mitigated",
  "mitigated",
  "mitigated_by",
  "out_of_scope",
  "risk_accepted",
] as const;

/** Uses indexes for the query, so that a page of a large test does not require scanning all findings. */
function selected(state: State, call: Call): Finding[] {
  const table = filters(state);
  const { id: _, test: __, ...others } = table;
  const ids = call.query.get("id");
  const productName = call.query.get("product_name");
  const test = call.query.get("test");
  let rows: Iterable<Finding> = state.findings.values();
  let tests = rowTests(call, table);
  if (test !== null && test !== "") {
    rows = state.findingsByTest.get(Number(test)) ?? [];
    tests = rowTests(call, { ...others, id: table.id as Filter<Finding> });
  } else if (ids !== null && ids !== "") {
    const wanted = idList(ids);
    if (wanted instanceof Set) {
      rows = [...wanted].sort((a, b) => a - b).flatMap((id) => state.findings.get(id) ?? []);
      tests = rowTests(call, others);
    }
  } else if (productName !== null && productName !== "") {
    const named = [...state.products.values()].filter((p) => p.name.toLowerCase() === productName.toLowerCase());
    rows = named.flatMap((product) => findingsOfProduct(state, product.id));
    tests = rowTests(call, others);
  }
  if (!call.user.is_superuser) tests.push((f) => seesTest(state, call.user, f.test));
  if (tests.length === 0 && Array.isArray(rows)) return rows;
  const kept: Finding[] = [];
  for (const row of rows) if (tests.every((t) => t(row))) kept.push(row);
  return kept;
}

function find(state: State, call: Call): Finding {
  const finding = state.findings.get(call.ids[0] ?? 0);
  if (finding === undefined || !seesTest(state, call.user, finding.test)) throw notFound("Finding");
  return finding;
}
