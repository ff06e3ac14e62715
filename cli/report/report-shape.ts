/** The format of a report as far as its first bytes show it: enough to distinguish tools. */
export interface ReportShape {
  /**
   * Members of a JSON report down to {@link DEEPEST} levels, elements of a list as `[]` (`runs[].tool`), with the first text that each has. A report of
   * one JSON object per line counts as a list of them.
   */
  readonly json: ReadonlyMap<string, string | undefined>;
  /** Name and attributes of an XML report's root: `nmaprun scanner="nmap"`; undefined if it is not XML. */
  readonly xml: string | undefined;
  /** First line of a report that is neither; undefined if it is one, or empty. */
  readonly line: string | undefined;
}

const DEEPEST = 6;

/**
 * @param start of the report, cut at any point
 */
export function reportShape(start: string): ReportShape {
  const text = start.replace(/^\ufeff/, "").trimStart();
  const isJson = /^[{[]/.test(text);
  const line = isJson || text.startsWith("<") ? "" : (/^.*/.exec(text)?.[0] ?? "");
  return { json: isJson ? jsonMembers(text) : new Map(), xml: xmlRoot(text), line: line === "" ? undefined : line };
}

function xmlRoot(text: string): string | undefined {
  if (!text.startsWith("<")) return undefined;
  const bare = text.replace(/^(?:\s*(?:<\?[^>]*\?>|<!--[\s\S]*?-->|<!DOCTYPE[^>[]*(?:\[[\s\S]*?\])?\s*>))*\s*/i, "");
  return /^<([a-z_][^<>]*)>/i.exec(bare)?.[1]?.replace(/\s+/g, " ").replace(/\/$/, "").trim();
}

const TOKEN = /\s*(?:(?<text>"(?:[^"\\]|\\.)*")|(?<sign>[{}[\],:])|(?<other>[^\s{}[\],:"]+))/gy;

interface Container {
  readonly path: string;
  readonly list: boolean;
  /** In an object: the member that is being read. */
  key: string | undefined;
}

/** Reads as far as the text is JSON, and ignores a member that is cut off. */
function jsonMembers(text: string): Map<string, string | undefined> {
  const members = new Map<string, string | undefined>();
  const open: Container[] = [];
  let documents = 0;
  const pathOf = (container: Container | undefined) => {
    if (container === undefined) return "";
    if (container.list) return `${container.path}[]`;
    return `${container.path}${container.path === "" ? "" : "."}${container.key ?? ""}`;
  };
  for (const { groups = {} } of text.matchAll(TOKEN)) {
    const { text: quoted, sign } = groups;
    const inside = open.at(-1);
    if (sign === "{" || sign === "[") {
      if (inside === undefined) documents++;
      open.push({ path: pathOf(inside), list: sign === "[", key: undefined });
    } else if (sign === "}" || sign === "]") open.pop();
    else if (inside === undefined) break;
    else if (sign === ",") inside.key = undefined;
    else if (quoted !== undefined && !inside.list) {
      const value = unquoted(quoted);
      if (inside.key === undefined) {
        inside.key = value;
        if (open.length <= DEEPEST && !members.has(pathOf(inside))) members.set(pathOf(inside), undefined);
      } else if (members.has(pathOf(inside))) members.set(pathOf(inside), members.get(pathOf(inside)) ?? value);
    }
  }
  return documents > 1 ? new Map([...members].map(([path, value]) => [`[].${path}`, value])) : members;
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}
