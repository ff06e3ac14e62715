import { requireSuperuser, seesEngagement, seesProduct } from "../auth.ts";
import { cleaned, type Fields } from "../fields.ts";
import { boolean, exact, filtered, number, numberIn, reference, sorted } from "../filters.ts";
import { type Call, detail, fieldError, forbidden, notFound, type Reply } from "../http.ts";
import { removeEngagement } from "../importing/remove.ts";
import type { Engagement } from "../model.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

const STATUSES = [
  "Not Started",
  "Blocked",
  "Cancelled",
  "Completed",
  "In Progress",
  "On Hold",
  "Scheduled",
  "Waiting for Resource",
];

const CHECKLISTS = ["threat_model", "api_test", "pen_test", "check_list"] as const;

function fields(state: State): Fields {
  const users = new Map(state.users.map((u) => [u.id, u]));
  const cicd: Fields[string] = { kind: "reference", nullable: true, table: state.cicdInfrastructure };
  const tools: Fields[string] = { kind: "reference", nullable: true, table: state.toolConfigurations };
  const text = (maxLength: number): Fields[string] => ({ kind: "text", nullable: true, blank: true, maxLength });
  return {
    tags: { kind: "tags" },
    name: text(300),
    description: text(2000),
    version: text(100),
    target_start: { kind: "date", required: true },
    target_end: { kind: "date", required: true },
    active: { kind: "boolean" },
    status: { kind: "choice", choices: STATUSES, nullable: true },
    engagement_type: { kind: "choice", choices: ["Interactive", "CI/CD"], nullable: true },
    build_id: text(150),
    commit_hash: text(150),
    branch_tag: text(150),
    source_code_management_uri: text(600),
    deduplication_on_engagement: { kind: "boolean" },
    lead: { kind: "reference", nullable: true, table: users },
    product: { kind: "reference", required: true, table: state.products },
    cicd_scm_server: cicd,
    cicd_build_server: cicd,
    cicd_orchestration_engine: cicd,
    // 2.x uses this instead of the latter.
    ...(state.settings.profile.missingPaths.includes("cicd_infrastructure") ? { orchestration_engine: tools } : {}),
    ...Object.fromEntries(CHECKLISTS.map((name) => [name, { kind: "boolean" as const }])),
  };
}

export function listEngagements(state: State, call: Call): Reply {
  const visible = [...state.engagements.values()].filter((e) => seesEngagement(state, call.user, e));
  const rows = filtered<Engagement>(call, visible, {
    id: number((e) => e.id),
    active: boolean((e) => e.active),
    target_start: exact((e) => e.target_start),
    target_end: exact((e) => e.target_end),
    status: exact((e) => e.status),
    product: reference(state.products, (e) => e.product),
    name: exact((e) => e.name),
    version: exact((e) => e.version),
    ...Object.fromEntries(CHECKLISTS.map((name) => [name, boolean<Engagement>((e) => e[name])])),
    product__prod_type: numberIn((e) => state.products.get(e.product)?.prod_type ?? null),
  });
  const ordered = sorted(call, rows, {
    name: (e) => e.name,
    version: (e) => e.version,
    target_start: (e) => e.target_start,
    target_end: (e) => e.target_end,
    status: (e) => e.status,
    lead: (e) => e.lead,
    created: (e) => e.created,
    updated: (e) => e.updated,
  });
  return paged(call, ordered, serialize);
}

export function getEngagement(state: State, call: Call): Reply {
  return { status: 200, body: serialize(find(state, call)) };
}

export function createEngagement(state: State, call: Call): Reply {
  const productId = (call.body as Record<string, unknown> | undefined)?.product;
  if (productId === undefined || productId === null) {
    throw detail(400, "Unable to check for permissions: Attribute 'product' is required");
  }
  const product = state.products.get(Number(productId));
  if (product === undefined) throw notFound("Product");
  if (!seesProduct(state, call.user, product)) throw forbidden();
  const given = cleaned(call.body, fields(state), false);
  const [start, end] = [String(given.target_start), String(given.target_end)];
  if (start > end)
    throw fieldError("non_field_errors", "Your target start date exceeds your target end date", "invalid");
  const engagement = addEngagement(state, { name: null, product: product.id, target_start: start, target_end: end });
  assign(engagement, given);
  return { status: 201, body: serialize(engagement) };
}

/** The order of the dates is only checked on creation. */
export function updateEngagement(state: State, call: Call): Reply {
  const engagement = find(state, call);
  assign(engagement, { ...cleaned(call.body, fields(state), true), updated: state.timestamp() });
  return { status: 200, body: serialize(engagement) };
}

/** One column stores the orchestration engine under every version's name for it. */
function assign(engagement: Engagement, { orchestration_engine: engine, ...columns }: Record<string, unknown>): void {
  Object.assign(engagement, engine === undefined ? {} : { cicd_orchestration_engine: engine }, columns);
}

export function deleteEngagement(state: State, call: Call): Reply {
  const engagement = find(state, call);
  requireSuperuser(call.user, forbidden());
  removeEngagement(state, engagement.id);
  return { status: 204 };
}

export function closeEngagement(state: State, call: Call): Reply {
  Object.assign(find(state, call), { active: false, status: "Completed", updated: state.timestamp() });
  return { status: 200, body: {} };
}

export function reopenEngagement(state: State, call: Call): Reply {
  Object.assign(find(state, call), { active: true, status: "In Progress", updated: state.timestamp() });
  return state.settings.profile.noText === null ? { status: 200 } : { status: 200, body: {} };
}

type Required = Pick<Engagement, "name" | "product" | "target_start" | "target_end">;

export function addEngagement(state: State, given: Required & Partial<Engagement>): Engagement {
  const engagement: Engagement = {
    id: state.nextId("engagement"),
    created: state.timestamp(),
    updated: state.timestamp(),
    description: null,
    version: null,
    active: true,
    status: "Not Started",
    engagement_type: "Interactive",
    build_id: null,
    commit_hash: null,
    branch_tag: null,
    source_code_management_uri: null,
    deduplication_on_engagement: false,
    lead: null,
    cicd_scm_server: null,
    cicd_build_server: null,
    cicd_orchestration_engine: null,
    threat_model: true,
    api_test: true,
    pen_test: true,
    check_list: true,
    tags: [],
    ...given,
  };
  state.engagements.set(engagement.id, engagement);
  return engagement;
}

function serialize(engagement: Engagement): object {
  return {
    ...engagement,
    first_contacted: null,
    reason: null,
    tracker: null,
    test_strategy: null,
    progress: "threat_model",
    tmodel_path: "none",
    done_testing: false,
    requester: null,
    preset: null,
    report_type: null,
    notes: [],
    files: [],
    risk_acceptance: [],
  };
}

function find(state: State, call: Call): Engagement {
  const engagement = state.engagements.get(call.ids[0] ?? 0);
  if (engagement === undefined || !seesEngagement(state, call.user, engagement)) throw notFound("Engagement");
  return engagement;
}
