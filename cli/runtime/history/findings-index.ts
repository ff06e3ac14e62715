import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { transaction } from "../../../infra/local/sqlite.ts";
import { RelayError } from "../../../lib/errors.ts";
import { type ObjectRef, uri } from "../../../lib/model/object-keys.ts";
import type { Storage } from "../../../lib/ports/storage.ts";
import { readFindings } from "../../../lib/report/findings-file.ts";
import { type SeenFinding, seenFinding } from "./seen-finding.ts";

export interface WantedFindings {
  /** In name, place, category or the beginning of the description, in any case. */
  readonly text?: string | undefined;
  /** The count it belongs to, or why it belongs to none. */
  readonly state?: string | undefined;
  readonly severity?: string | undefined;
  /** Findings before this page. */
  readonly offset: number;
}

export interface FindingsPage {
  readonly findings: SeenFinding[];
  /** How many findings match in all. */
  readonly total: number;
}

export interface FindingsIndex {
  /**
   * @throws RelayError `findings-missing`, `findings-invalid`, or the bucket's error
   */
  page(ref: ObjectRef, wanted: WantedFindings, most: number): Promise<FindingsPage>;
  close(): void;
}

const SCHEMA = `CREATE TABLE findings (
  scan TEXT, n INTEGER, severity TEXT, states TEXT, words TEXT, seen TEXT, PRIMARY KEY (scan, n)
) WITHOUT ROWID`;

/** How many scans' findings are kept. */
const MOST_SCANS = 4;
/** Rows per transaction. */
const BATCH = 500;

/** One row a part of {@link WantedFindings}: its condition. */
const CONDITIONS: readonly (readonly [
  name: "text" | "state" | "severity",
  condition: string,
  value: (text: string) => string,
])[] = [
  ["text", "instr(words, ?) > 0", (text) => text.toLowerCase()],
  ["state", "instr(states, ?) > 0", (text) => ` ${text} `],
  ["severity", "severity = ?", (text) => text.toUpperCase()],
];

/**
 * The findings of the scans that people look at. findings.json is streamed once into a temporary file, which serves pages and searches; a few scans are
 * kept, each with its ETag.
 */
export function findingsIndex(storage: Storage): FindingsIndex {
  const database = new DatabaseSync("");
  database.exec(SCHEMA);
  /** By location and ETag; the last one viewed comes last. */
  const kept = new Map<string, Promise<void>>();
  const drop = (scan: string) => {
    kept.delete(scan);
    if (database.isOpen) database.prepare("DELETE FROM findings WHERE scan = ?").run(scan);
  };
  const load = async (ref: ObjectRef, scan: string, etag: string) => {
    try {
      await fill(database, storage, { ref, scan, etag });
      if (!kept.has(scan)) drop(scan);
    } catch (error) {
      drop(scan);
      throw error;
    }
  };
  return {
    page: async (ref, wanted, most) => {
      const head = await storage.head(ref);
      if (head === undefined) throw missing(ref);
      const scan = `${uri(ref)} ${head.etag}`;
      const loading = kept.get(scan) ?? load(ref, scan, head.etag);
      kept.delete(scan);
      kept.set(scan, loading);
      const [oldest] = kept.keys();
      if (kept.size > MOST_SCANS && oldest !== undefined) drop(oldest);
      await loading;
      return page(database, scan, wanted, most);
    },
    close: () => database.close(),
  };
}

const missing = (ref: ObjectRef) =>
  new RelayError("findings-missing", `${uri(ref)} does not exist`, { object: uri(ref) });

async function fill(
  database: DatabaseSync,
  storage: Storage,
  { ref, scan, etag }: { readonly ref: ObjectRef; readonly scan: string; readonly etag: string },
): Promise<void> {
  const found = await storage.read(ref, etag);
  if (found === undefined) throw missing(ref);
  const insert = database.prepare("INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?)");
  let batch: SeenFinding[] = [];
  let written = 0;
  const flush = () =>
    transaction(database, () => {
      for (const seen of batch) {
        const { name, location, category, description, severity, states } = seen;
        const words = [name, location, category, description].join("\n").toLowerCase();
        insert.run(scan, written++, severity, ` ${countedBy(states)} `, words, JSON.stringify(seen));
      }
      batch = [];
    });
  for await (const finding of readFindings(found.body, uri(ref))) {
    batch.push(seenFinding(finding));
    if (batch.length === BATCH) flush();
  }
  flush();
}

function page(database: DatabaseSync, scan: string, wanted: WantedFindings, most: number): FindingsPage {
  const asked = CONDITIONS.flatMap(([name, condition, value]) => {
    const given = wanted[name];
    return given === undefined ? [] : [{ condition, value: value(given) }];
  });
  const where = ["scan = ?", ...asked.map(({ condition }) => condition)].join(" AND ");
  const values: SQLInputValue[] = [scan, ...asked.map(({ value }) => value)];
  const total = database.prepare(`SELECT count(*) AS n FROM findings WHERE ${where}`).get(...values)?.n;
  const rows = database
    .prepare(`SELECT seen FROM findings WHERE ${where} ORDER BY n LIMIT ? OFFSET ?`)
    .all(...values, most, wanted.offset);
  return { findings: rows.map(({ seen }) => JSON.parse(String(seen)) as SeenFinding), total: Number(total) };
}

/** The totals count each finding once, so other verdicts that hold do not matter here. */
const countedBy = (states: readonly string[]) => (states[0] === "unmatched" ? states.join(" ") : (states[0] ?? ""));
