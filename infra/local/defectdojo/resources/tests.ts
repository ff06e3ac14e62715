import { seesEngagement, seesTest } from "../auth.ts";
import { cleaned, type Fields } from "../fields.ts";
import { exact, filtered, number, reference, sorted } from "../filters.ts";
import { type Call, detail, forbidden, internalError, notFound, type Reply } from "../http.ts";
import { removeTest } from "../importing/remove.ts";
import type { Test } from "../model.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";
import { matchingOf } from "../test-types.ts";

function fields(state: State): Fields {
  const text = (maxLength: number): Fields[string] => ({ kind: "text", nullable: true, blank: true, maxLength });
  return {
    engagement: { kind: "reference", required: true, table: state.engagements },
    tags: { kind: "tags" },
    scan_type: text(400),
    title: text(255),
    description: text(4_000_000),
    target_start: { kind: "datetime", required: true },
    target_end: { kind: "datetime", required: true },
    version: text(100),
    build_id: text(150),
    commit_hash: text(150),
    branch_tag: text(150),
    lead: { kind: "reference", nullable: true, table: new Map(state.users.map((u) => [u.id, u])) },
    test_type: { kind: "reference", required: true, table: state.testTypes },
    environment: { kind: "reference", nullable: true },
  };
}

export function listTests(state: State, call: Call): Reply {
  const visible = [...state.tests.values()].filter((t) => seesTest(state, call.user, t));
  const rows = filtered<Test>(call, visible, {
    id: number((t) => t.id),
    title: exact((t) => t.title),
    test_type: reference(state.testTypes, (t) => t.test_type),
    percent_complete: number((t) => t.percent_complete),
    engagement: reference(state.engagements, (t) => t.engagement),
    version: exact((t) => t.version),
    branch_tag: exact((t) => t.branch_tag),
    build_id: exact((t) => t.build_id),
    commit_hash: exact((t) => t.commit_hash),
    scan_type: exact((t) => t.scan_type),
  });
  const ordered = sorted(call, rows, {
    title: (t) => t.title,
    version: (t) => t.version,
    target_start: (t) => t.target_start,
    target_end: (t) => t.target_end,
    test_type: (t) => t.test_type,
    build_id: (t) => t.build_id,
    engagement: (t) => t.engagement,
    created: (t) => t.created,
    updated: (t) => t.updated,
  });
  return paged(call, ordered, (row) => serializeTest(state, row), { prefetch: {} });
}

export function getTest(state: State, call: Call): Reply {
  return { status: 200, body: { ...serializeTest(state, find(state, call)), prefetch: {} } };
}

export function createTest(state: State, call: Call): Reply {
  const engagementId = (call.body as Record<string, unknown> | undefined)?.engagement;
  if (engagementId === undefined || engagementId === null) {
    throw detail(400, "Unable to check for permissions: Attribute 'engagement' is required");
  }
  const engagement = state.engagements.get(Number(engagementId));
  if (engagement === undefined) throw notFound("Engagement");
  if (!seesEngagement(state, call.user, engagement)) throw forbidden();
  const given = cleaned(call.body, fields(state), false) as Partial<Test>;
  const test = addTest(state, {
    engagement: engagement.id,
    test_type: given.test_type ?? 0,
    target_start: given.target_start ?? "",
    target_end: given.target_end ?? "",
    ...given,
  });
  const {
    finding_groups: _,
    test_type_name: __,
    deduplication_algorithm: ___,
    hash_code_fields: ____,
    ...body
  } = serializeTest(state, test);
  return { status: 201, body };
}

export function updateTest(state: State, call: Call): Reply {
  const test = find(state, call);
  Object.assign(test, cleaned(call.body, fields(state), true), { updated: state.timestamp() });
  return { status: 200, body: serializeTest(state, test) };
}

export function deleteTest(state: State, call: Call): Reply {
  const test = find(state, call);
  // 2.x uses roles, and a Maintainer of the product may.
  if (!call.user.is_superuser && !state.settings.profile.roles) throw forbidden();
  // Rows that the import adds meanwhile prevent the deletion: nothing is deleted, and the import continues.
  if (state.importing.has(test.id)) throw internalError();
  removeTest(state, test);
  return { status: 204 };
}

type Required = Pick<Test, "engagement" | "test_type" | "target_start" | "target_end">;

export function addTest(state: State, given: Required & Partial<Test>): Test {
  const test: Test = {
    id: state.nextId("test"),
    scan_type: null,
    title: null,
    description: null,
    percent_complete: null,
    updated: state.timestamp(),
    created: state.timestamp(),
    version: null,
    build_id: null,
    commit_hash: null,
    branch_tag: null,
    lead: null,
    environment: null,
    tags: [],
    ...given,
  };
  state.tests.set(test.id, test);
  state.findingsByTest.set(test.id, []);
  return test;
}

export function serializeTest(state: State, test: Test) {
  const name = state.testTypes.get(test.test_type)?.name ?? "";
  const matching = matchingOf(name, test.scan_type);
  return {
    ...test,
    test_type_name: name,
    deduplication_algorithm: matching.algorithm,
    hash_code_fields: matching.hashCodeFields,
    api_scan_configuration: null,
    notes: [],
    files: [],
    finding_groups: [...state.findingGroups.values()].filter((group) => group.test === test.id),
  };
}

function find(state: State, call: Call): Test {
  const test = state.tests.get(call.ids[0] ?? 0);
  if (test === undefined || !seesTest(state, call.user, test)) throw notFound("Test");
  return test;
}
