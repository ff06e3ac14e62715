import { chmodSync, closeSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DataDirectoryError, PRIVATE_FILE } from "./data-directory.ts";

const SCHEMA_VERSION = 1;

export interface OpenDatabase {
  readonly database: DatabaseSync;
  /** Whether the database was just created: files beside it then belong to a lost one. */
  readonly fresh: boolean;
}

/**
 * Opens a database for this process and user only. With WAL and synchronous NORMAL, every committed transaction survives a
 * SIGKILL (the pages are in the kernel's cache); only a crash of the machine can lose the latest ones.
 * The exclusive lock keeps a second server out of the directory: its cleanup at startup would delete live bodies.
 * @throws DataDirectoryError, leaving everything unchanged, when another process holds it, a newer release wrote it, or it is damaged
 */
export function openDatabase(file: string, schema: string): OpenDatabase {
  let database: DatabaseSync | undefined;
  try {
    assertNotTruncated(file);
    makePrivate(file);
    database = new DatabaseSync(file);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    assertHealthy(database, file);
    const fresh = applySchema(database, file, schema);
    return { database, fresh };
  } catch (error) {
    database?.close();
    throw explained(error, file);
  }
}

/** Runs `work`, which must be synchronous, in one transaction: all or nothing. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

// --- utils ---

/** SQLite discards the write-ahead log of an empty database; its content would be lost. */
function assertNotTruncated(file: string): void {
  const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (sizeOf(file) === 0 && sizeOf(`${file}-wal`) > 0) throw damaged(file, "it is empty, and its -wal is not");
}

/** The files beside it (-wal, -shm) inherit its mode. */
function makePrivate(file: string): void {
  closeSync(openSync(file, "a", PRIVATE_FILE));
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, PRIVATE_FILE);
}

function assertHealthy(database: DatabaseSync, file: string): void {
  const found = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
  if (found !== "ok") throw damaged(file, String(found));
}

/** @returns whether the database was empty */
function applySchema(database: DatabaseSync, file: string, schema: string): boolean {
  return transaction(database, () => {
    const version = database.prepare("PRAGMA user_version").get()?.user_version;
    if (version !== 0 && version !== SCHEMA_VERSION) {
      throw new DataDirectoryError(
        `${file} has schema ${version}, this release reads ${SCHEMA_VERSION}: use another directory`,
      );
    }
    database.exec(schema);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    return version === 0;
  });
}

function explained(error: unknown, file: string): unknown {
  if (error instanceof DataDirectoryError || !(error instanceof Error)) return error;
  if (/database is locked/.test(error.message))
    return new DataDirectoryError(`${file} is in use by another process: stop it or use another directory`, {
      cause: error,
    });
  if (/not a database|malformed|disk image|corrupt/i.test(error.message)) return damaged(file, error.message, error);
  return new DataDirectoryError(`${file} cannot be opened: ${error.message}`, { cause: error });
}

const damaged = (file: string, why: string, cause?: unknown) =>
  new DataDirectoryError(
    `${file} is damaged (${why}) and was left as it is: restore it from a backup together with what lies beside it, or move the whole directory away and start with an empty one`,
    { cause },
  );
