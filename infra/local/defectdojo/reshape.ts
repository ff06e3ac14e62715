import type { Reply } from "./http.ts";
import type { Shape, Shapes } from "./profiles.ts";

type Row = Readonly<Record<string, unknown>>;

/** The names of fields that hold rows of another resource. */
const NESTED: Readonly<Record<string, string>> = { user: "user", test: "tests", duplicate_finding: "findings" };

/** Converts a response of 3.2, which the handlers return, to the format of another version. @param path below `/api/v2`, including slashes */
export function reshape(shapes: Shapes, path: string, reply: Reply): Reply {
  const body = reply.body;
  if (Object.keys(shapes).length === 0 || typeof body !== "object" || body === null || Array.isArray(body))
    return reply;
  const [, resource = "", , action = ""] = path.split("/");
  const failed = shapes[reply.status === 404 ? "missing" : "error"];
  const reshaped =
    reply.status >= 400
      ? shaped(body as Row, failed)
      : ofResource(shapes, action === "" ? resource : action, body as Row);
  return { ...reply, body: reshaped };
}

function ofResource(shapes: Shapes, resource: string, body: Row): Row {
  const shape = shapes[resource];
  if (!Array.isArray(body.results)) return nested(shapes, shaped(body, shape));
  const results = (body.results as Row[]).map((row) => nested(shapes, shaped(row, shape)));
  return nested(shapes, shaped({ ...body, results }, shapes[`${resource} list`]));
}

/** Rows prefetched by id, and the user within a profile. */
function nested(shapes: Shapes, row: Row): Row {
  const { prefetch, user } = row as { prefetch?: Record<string, Record<string, Row>>; user?: unknown };
  const more: Record<string, unknown> = {};
  if (typeof user === "object" && user !== null) more.user = shaped(user as Row, shapes.user);
  if (prefetch !== undefined) {
    more.prefetch = Object.fromEntries(
      Object.entries(prefetch).map(([field, rows]) => {
        const shape = shapes[NESTED[field] ?? field];
        return [field, Object.fromEntries(Object.entries(rows).map(([id, of]) => [id, shaped(of, shape)]))];
      }),
    );
  }
  return { ...row, ...more };
}

function shaped(row: Row, shape: Shape | undefined): Row {
  if (shape === undefined) return row;
  const { without = [], with: added = {}, renamed = {} } = shape;
  const kept = Object.entries(row).filter(([name]) => !without.includes(name));
  return { ...added, ...Object.fromEntries(kept.map(([name, value]) => [renamed[name] ?? name, value])) };
}
