import { seesTest } from "../auth.ts";
import { exact, filtered, reference } from "../filters.ts";
import { type Call, notFound, type Reply } from "../http.ts";
import type { TestImport } from "../model.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

/** Newest first, with every finding of the import. */
export function listTestImports(state: State, call: Call): Reply {
  const visible = [...state.testImports.values()].filter((i) => sees(state, call, i)).reverse();
  const rows = filtered<TestImport>(call, visible, {
    test: reference(state.tests, (i) => i.test),
    version: exact((i) => i.version),
    branch_tag: exact((i) => i.branch_tag),
    build_id: exact((i) => i.build_id),
    commit_hash: exact((i) => i.commit_hash),
  });
  return paged(call, rows, serialize, { prefetch: {} });
}

export function getTestImport(state: State, call: Call): Reply {
  const found = state.testImports.get(call.ids[0] ?? 0);
  if (found === undefined || !sees(state, call, found)) throw notFound("Test_Import");
  return { status: 200, body: { ...serialize(found), prefetch: {} } };
}

function sees(state: State, call: Call, testImport: TestImport): boolean {
  const test = state.tests.get(testImport.test);
  return test !== undefined && seesTest(state, call.user, test);
}

function serialize(testImport: TestImport): object {
  const { actions, ...columns } = testImport;
  return {
    ...columns,
    test_import_finding_action_set: actions.map((action) => ({ ...action, test_import: testImport.id })),
    findings_affected: actions.map((action) => action.finding),
  };
}
