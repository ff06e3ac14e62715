import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

const SCHEMA_VERSION = 1;

/** Thrown when a data directory cannot be used: another process holds it, or a newer release wrote it. */
class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/**
 * Opens a database that this process alone uses. WAL with synchronous NORMAL keeps every committed transaction over a
 * SIGKILL (the pages are in the kernel's cache); only a crash of the machine can lose the last ones.
 * The exclusive lock keeps a second server off the same directory, whose cleaning at start would delete live bodies.
 */
export function openDatabase(file: string, schema: string): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    transaction(database, () => {
      const version = database.prepare("PRAGMA user_version").get()?.user_version;
      if (version !== 0 && version !== SCHEMA_VERSION) {
        throw new DataDirectoryError(
          `${file} has schema ${version}, this release reads ${SCHEMA_VERSION}: use another directory`,
        );
      }
      database.exec(schema);
      database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    });
  } catch (error) {
    database.close();
    if (error instanceof Error && /database is locked/.test(error.message)) {
      throw new DataDirectoryError(`${file} is in use by another process: stop it or use another directory`, {
        cause: error,
      });
    }
    throw error;
  }
  return database;
}

/** Runs `work`, which must be synchronous, in one transaction: all of it is kept, or nothing. */
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
