import { exact, filtered, number } from "../filters.ts";
import { type Call, notFound, type Reply } from "../http.ts";
import type { TestType } from "../model.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

export function listTestTypes(state: State, call: Call): Reply {
  const rows = filtered<TestType>(call, state.testTypes.values(), {
    id: number((t) => t.id),
    name: exact((t) => t.name),
  });
  return paged(call, rows, (row) => row);
}

export function getTestType(state: State, call: Call): Reply {
  const type = state.testTypes.get(call.ids[0] ?? 0);
  if (type === undefined) throw notFound("Test_Type");
  return { status: 200, body: type };
}

export function listEnvironments(state: State, call: Call): Reply {
  const rows = state.environments.map((name, index) => ({ id: index + 1, name }));
  return paged(call, filtered(call, rows, { name: exact((r) => r.name) }), (row) => row);
}
