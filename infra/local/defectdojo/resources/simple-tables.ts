import { requireSuperuser } from "../auth.ts";
import { cleaned, type Fields } from "../fields.ts";
import { exact, type Filter, filtered, number } from "../filters.ts";
import { type Call, fieldError, forbidden, notFound, type Reply } from "../http.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

type Row = Record<string, unknown>;

type Table = {
  model: string;
  rows: (state: State) => Map<number, Row>;
  id: "toolType" | "toolConfiguration" | "cicdInfrastructure";
  fields: (state: State) => Fields;
  defaults: Row;
  filters: Record<string, Filter<Row>>;
  /** True: every user may read it. */
  open: boolean;
  /** Extra fields next to the results of a list. */
  extra: object;
  unique?: (row: Row, other: Row) => boolean;
};

const TEXT: Fields[string] = { kind: "text", nullable: true, blank: true };

/** Tables with the basic operations: list, get, create, change. */
export const SIMPLE_TABLES: Record<string, Table> = {
  tool_types: {
    model: "Tool_Type",
    rows: (state) => state.toolTypes,
    id: "toolType",
    fields: () => ({ name: { kind: "text", required: true, maxLength: 200 }, description: TEXT }),
    defaults: { description: null },
    filters: {
      id: number((r) => Number(r.id)),
      name: exact((r) => r.name),
      description: exact((r) => r.description),
    },
    open: false,
    extra: {},
  },
  tool_configurations: {
    model: "Tool_Configuration",
    rows: (state) => state.toolConfigurations,
    id: "toolConfiguration",
    fields: (state) => ({
      name: { kind: "text", required: true, maxLength: 200 },
      description: TEXT,
      url: TEXT,
      authentication_type: { kind: "choice", choices: ["API", "Password", "SSH"], nullable: true },
      extras: TEXT,
      username: TEXT,
      auth_title: TEXT,
      tool_type: { kind: "reference", required: true, table: state.toolTypes },
    }),
    defaults: {
      description: null,
      url: null,
      authentication_type: null,
      extras: null,
      username: null,
      auth_title: null,
    },
    filters: {
      id: number((r) => Number(r.id)),
      name: exact((r) => r.name),
      tool_type: number((r) => Number(r.tool_type)),
    },
    open: false,
    extra: { prefetch: {} },
  },
  cicd_infrastructure: {
    model: "CICDInfrastructure",
    rows: (state) => state.cicdInfrastructure,
    id: "cicdInfrastructure",
    fields: () => ({
      name: { kind: "text", required: true, maxLength: 200 },
      description: { kind: "text", blank: true },
      url: { kind: "text", blank: true, maxLength: 2000 },
      infrastructure_type: {
        kind: "choice",
        required: true,
        choices: ["scm", "build", "orchestration"],
      },
    }),
    defaults: { description: "", url: "" },
    filters: {
      id: number((r) => Number(r.id)),
      name: exact((r) => r.name),
      infrastructure_type: exact((r) => r.infrastructure_type),
    },
    open: true,
    extra: {},
    unique: (a, b) => a.name === b.name && a.infrastructure_type === b.infrastructure_type,
  },
};

export function listRows(table: Table, state: State, call: Call): Reply {
  if (!table.open) requireSuperuser(call.user, forbidden());
  const rows = filtered<Row>(call, table.rows(state).values(), table.filters);
  return paged(call, rows, (row) => row, table.extra);
}

export function getRow(table: Table, state: State, call: Call): Reply {
  if (!table.open) requireSuperuser(call.user, forbidden());
  return { status: 200, body: { ...find(table, state, call), ...table.extra } };
}

export function createRow(table: Table, state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  const given = { ...table.defaults, ...cleaned(call.body, table.fields(state), false) };
  const rows = table.rows(state);
  if (table.unique !== undefined && [...rows.values()].some((row) => table.unique?.(row, given) === true)) {
    throw fieldError("non_field_errors", "The fields name, infrastructure_type must make a unique set.", "unique");
  }
  const row = { id: state.nextId(table.id), ...given };
  rows.set(row.id, row);
  return { status: 201, body: row };
}

export function updateRow(table: Table, state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  const row = find(table, state, call);
  Object.assign(row, cleaned(call.body, table.fields(state), true));
  return { status: 200, body: row };
}

function find(table: Table, state: State, call: Call): Row {
  const row = table.rows(state).get(call.ids[0] ?? 0);
  if (row === undefined) throw notFound(table.model);
  return row;
}
