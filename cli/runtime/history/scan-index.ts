import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { DataDirectoryError, privateDirectory } from "../../../infra/local/data-directory.ts";
import { openDatabase, transaction } from "../../../infra/local/sqlite.ts";
import { describeError } from "../../../lib/errors.ts";
import type { Log } from "../../../lib/observe.ts";
import { sha256 } from "../../../lib/util/digest.ts";
import type { SeenScan } from "../seen-scan.ts";

/** A request for a page of the history; missing conditions do not restrict it. Times are ISO 8601. */
export interface Wanted {
  readonly product?: string | undefined;
  readonly type?: string | undefined;
  /** In name, type, product or key, in any case. */
  readonly text?: string | undefined;
  /** The first moment, and the first one after the range. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Continues after this last entry of the previous page. */
  readonly before?: { readonly at: string; readonly key: string } | undefined;
}

/** A finished scan as the index keeps it. */
export interface IndexedScan {
  /** Of the findings. */
  readonly key: string;
  /** Of the receipt; "" if unknown, so the receipt is read once more. */
  readonly etag: string;
  readonly jobKey: string;
  /** ISO 8601: when it was imported. A resync changes `seen.at`, but not this. */
  readonly imported: string;
  readonly seen: SeenScan;
}

/** One moment of a product: the findings of the scans that were imported in it, by verdict. */
export interface Moment {
  /** `2026-11-28T01`, `2026-11-28` or `2026-11`: an hour, a day or a month of UTC. */
  readonly at: string;
  readonly scans: number;
  readonly new: number;
  readonly known: number;
  readonly falsePositive: number;
  readonly closed: number;
}

export interface ScanIndex {
  put(scan: IndexedScan): void;
  /** Marks this receipt as present in the bucket. @returns whether this version of it is known */
  mark(key: string, etag: string): boolean;
  /** When the scan of this job was imported, if known. */
  importedAt(key: string, jobKey: string): string | undefined;
  /** Begins a listing of the whole bucket. */
  begin(): void;
  /** Ends the listing: removes scans that were neither marked nor put. */
  end(): void;
  /** Newest first. */
  page(wanted: Wanted, most: number): { scans: SeenScan[]; next: { at: string; key: string } | undefined };
  count(): number;
  /** The choices of the filter, at most {@link MOST_CHOICES} of each. */
  choices(): { products: string[]; types: string[] };
  moments(product: string): Moment[];
  close(): void;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS scans (
  key TEXT PRIMARY KEY, etag TEXT NOT NULL, job TEXT NOT NULL, at TEXT NOT NULL, imported TEXT NOT NULL,
  product TEXT NOT NULL, type TEXT NOT NULL, words TEXT NOT NULL, seen TEXT NOT NULL, round INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS scans_at ON scans (at, key);
CREATE INDEX IF NOT EXISTS scans_product ON scans (product, imported);
CREATE INDEX IF NOT EXISTS scans_type ON scans (type);
`;

const MOST_CHOICES = 1_000;
const MOST_MOMENTS = 400;
/** Up to this many days are shown by the hour. */
const MOST_DAYS_OF_HOURS = 2;

/** One row per part of {@link Wanted}: its condition and the value. */
const CONDITIONS: { readonly [P in keyof Wanted]-?: (value: NonNullable<Wanted[P]>) => [string, SQLInputValue[]] } = {
  product: (value) => ["product = ?", [value]],
  type: (value) => ["type = ?", [value]],
  text: (value) => ["instr(words, ?) > 0", [value.toLowerCase()]],
  from: (value) => ["at >= ?", [value]],
  to: (value) => ["at < ?", [value]],
  before: ({ at, key }) => ["(at, key) < (?, ?)", [at, key]],
};

/** How many characters of an ISO time name the moment. */
const [HOUR, DAY, MONTH] = [13, 10, 7] as const;

/** Increase it when the format of rows changes: an index of another format is rebuilt. */
const FORMAT = 1;

/**
 * The finished scans of a bucket, on disk, in order of time, which a listing by key cannot give. It holds nothing that the bucket does not: what is
 * damaged or of another format is discarded, and if the file cannot be used, a temporary one replaces it.
 * @param where the store and bucket: each has its own file
 */
export async function openScanIndex(dataDir: string, where: string, log: Log): Promise<ScanIndex> {
  const name = `history-${sha256(where).slice(0, 16)}`;
  const file = join(dataDir, `${name}.v${FORMAT}.db`);
  try {
    await privateDirectory(dataDir);
    for (const other of await readdir(dataDir))
      if (other.startsWith(`${name}.`) && !join(dataDir, other).startsWith(file)) await rm(join(dataDir, other));
    return scanIndex(await openOrAnew(file));
  } catch (error) {
    log.warn("the page's history will be lost at a restart, because its file cannot be used", {
      object: file,
      why: describeError(error),
    });
    return temporaryIndex();
  }
}

async function openOrAnew(file: string): Promise<DatabaseSync> {
  try {
    return openDatabase(file, SCHEMA).database;
  } catch (error) {
    if (!(error instanceof DataDirectoryError) || !error.message.includes("is damaged")) throw error;
    for (const part of [file, `${file}-wal`, `${file}-shm`]) await rm(part, { force: true });
    return openDatabase(file, SCHEMA).database;
  }
}

/** In a file without a name, which ends with the process. */
export function temporaryIndex(): ScanIndex {
  const database = new DatabaseSync("");
  database.exec(SCHEMA);
  return scanIndex(database);
}

function scanIndex(database: DatabaseSync): ScanIndex {
  const put = database.prepare("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const mark = database.prepare("UPDATE scans SET round = ? WHERE key = ? AND etag = ?");
  const imported = database.prepare("SELECT imported FROM scans WHERE key = ? AND job = ?");
  const count = database.prepare("SELECT count(*) AS scans FROM scans");
  let round = Number(database.prepare("SELECT coalesce(max(round), 0) AS last FROM scans").get()?.last);
  return {
    put: ({ key, etag, jobKey, imported, seen }) => {
      const { at, product, scanType, scan } = seen;
      const words = [scan, scanType, product, key].join("\n").toLowerCase();
      put.run(key, etag, jobKey, at, imported, product, scanType, words, JSON.stringify(seen), round);
    },
    mark: (key, etag) => mark.run(round, key, etag).changes === 1,
    importedAt: (key, jobKey) => imported.get(key, jobKey)?.imported as string | undefined,
    begin: () => {
      round++;
    },
    end: () => transaction(database, () => database.prepare("DELETE FROM scans WHERE round < ?").run(round)),
    page: (wanted, most) => page(database, wanted, most),
    count: () => Number(count.get()?.scans),
    choices: () => ({ products: distinct(database, "product"), types: distinct(database, "type") }),
    moments: (product) => moments(database, product),
    close: () => database.close(),
  };
}

function page(database: DatabaseSync, wanted: Wanted, most: number): ReturnType<ScanIndex["page"]> {
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  for (const [name, value] of Object.entries(wanted) as [keyof Wanted, never][]) {
    if (value === undefined) continue;
    const [condition, compared] = CONDITIONS[name](value);
    conditions.push(condition);
    values.push(...compared);
  }
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const rows = database
    .prepare(`SELECT at, key, seen FROM scans ${where} ORDER BY at DESC, key DESC LIMIT ?`)
    .all(...values, most + 1) as { at: string; key: string; seen: string }[];
  const shown = rows.slice(0, most);
  const last = rows.length > most ? shown.at(-1) : undefined;
  return {
    scans: shown.map(({ seen }) => JSON.parse(seen) as SeenScan),
    next: last && { at: last.at, key: last.key },
  };
}

function distinct(database: DatabaseSync, column: "product" | "type"): string[] {
  const rows = database
    .prepare(
      `SELECT DISTINCT ${column} AS value FROM scans WHERE ${column} <> '' ORDER BY value COLLATE NOCASE LIMIT ?`,
    )
    .all(MOST_CHOICES);
  return rows.map(({ value }) => String(value));
}

/** Hours for few days, months for more days than a plot can show. */
function moments(database: DatabaseSync, product: string): Moment[] {
  const days = database
    .prepare("SELECT count(DISTINCT substr(imported, 1, ?)) AS n FROM scans WHERE product = ?")
    .get(DAY, product);
  const unit = Number(days?.n) <= MOST_DAYS_OF_HOURS ? HOUR : Number(days?.n) <= MOST_MOMENTS ? DAY : MONTH;
  // As a float: receipts may say anything, and a whole number beyond JavaScript's, or SQLite's, would be an error.
  const sum = (name: string) => `total(seen ->> '$.counts.${name}')`;
  const rows = database
    .prepare(
      `SELECT substr(imported, 1, ?) AS moment, count(*) AS scans, ${sum("new")} AS fresh, ${sum("duplicates")} AS known,
        ${sum("falsePositives")} AS wrong, ${sum("mitigated")} AS closed
      FROM scans WHERE product = ? GROUP BY moment ORDER BY moment DESC LIMIT ?`,
    )
    .all(unit, product, MOST_MOMENTS);
  return rows.toReversed().map(({ moment, scans, fresh, known, wrong, closed }) => ({
    ...{ at: String(moment), scans: Number(scans), new: Number(fresh), known: Number(known) },
    ...{ falsePositive: Number(wrong), closed: Number(closed) },
  }));
}
