import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { transaction } from "../../../infra/local/sqlite.ts";
import { RelayError } from "../../../lib/errors.ts";
import { type ObjectRef, uri } from "../../../lib/model/object-keys.ts";
import type { Storage } from "../../../lib/ports/storage.ts";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { storedFindings } from "../../../lib/report/report.ts";
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
  /** If the file has more than are searched: how many are. */
  readonly onlyFirst?: number | undefined;
}

/** What is kept of one scan at most. */
export interface Room {
  readonly findings: number;
  /** Characters of the rows. */
  readonly characters: number;
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

/** An uploader must not fill the disk: with {@link MOST_SCANS} that is about 1 GiB at worst. */
const ROOM: Room = { findings: 100_000, characters: 256 * 1024 * 1024 };
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
 * The findings of the scans that people look at. findings.json is streamed once into a temporary file, as far as there is room, which serves pages and
 * searches; a few scans are kept, each with its ETag.
 */
export function findingsIndex(storage: Storage, room = ROOM): FindingsIndex {
  const database = new DatabaseSync("");
  database.exec(SCHEMA);
  /** By location and ETag, what {@link fill} returned; the last one viewed comes last. */
  const kept = new Map<string, Promise<number | undefined>>();
  const drop = (scan: string) => {
    kept.delete(scan);
    if (database.isOpen) database.prepare("DELETE FROM findings WHERE scan = ?").run(scan);
  };
  const load = async (ref: ObjectRef, scan: string, etag: string) => {
    try {
      const onlyFirst = await fill(database, room, { scan, findings: storedFindings(storage, ref, etag) });
      if (!kept.has(scan)) drop(scan);
      return onlyFirst;
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
      const onlyFirst = await loading;
      return { ...page(database, scan, wanted, most), onlyFirst };
    },
    close: () => database.close(),
  };
}

const missing = (ref: ObjectRef) =>
  new RelayError("findings-missing", `${uri(ref)} does not exist`, { object: uri(ref) });

/** @returns how many findings there was room for, if there are more */
async function fill(
  database: DatabaseSync,
  room: Room,
  { scan, findings }: { readonly scan: string; readonly findings: AsyncIterable<ScanFinding> },
): Promise<number | undefined> {
  const insert = database.prepare("INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?)");
  let batch: Row[] = [];
  let [count, characters] = [0, 0];
  const flush = () => {
    transaction(database, () => {
      for (const row of batch) insert.run(scan, ...row);
    });
    batch = [];
  };
  for await (const finding of findings) {
    const row = rowOf(count, seenFinding(finding));
    characters += row[3].length + row[4].length;
    if (count === room.findings || characters > room.characters) {
      flush();
      return count;
    }
    count++;
    batch.push(row);
    if (batch.length === BATCH) flush();
  }
  flush();
  return undefined;
}

type Row = readonly [n: number, severity: string, states: string, words: string, seen: string];

function rowOf(n: number, seen: SeenFinding): Row {
  const { name, location, category, description, severity, states } = seen;
  const words = [name, location, category, description].join("\n").toLowerCase();
  return [n, severity, ` ${countedBy(states)} `, words, JSON.stringify(seen)];
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
