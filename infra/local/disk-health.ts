import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PRIVATE_FILE } from "./data-directory.ts";

/** Tracks whether the embedded stores can write; each change is logged once. */
export interface DiskHealth {
  /** Records an error; @returns whether it is a disk error, which needs no log line of its own */
  failed(error: unknown): boolean;
  /** What is wrong, or undefined. After a failure it tests the disk again. */
  problem(): string | undefined;
}

/** Enough for a database page and a small object. */
const PROBE = Buffer.alloc(64 * 1024);

/** SQLite's primary result codes: https://sqlite.org/rescode.html */
const SQLITE_CODES: Readonly<Record<number, string>> = { 8: "read-only", 10: "in error", 13: "full" };
const SYSTEM_CODES: Readonly<Record<string, string>> = {
  ENOSPC: "full",
  EDQUOT: "full (a quota)",
  EROFS: "read-only",
  EIO: "in error",
};

export function diskHealth(directory: string, report: (message: string) => void = () => undefined): DiskHealth {
  let wrong: string | undefined;
  return {
    failed: (error) => {
      const state = diskState(error);
      if (state === undefined) return false;
      if (wrong === undefined) {
        wrong = `the disk of ${directory} is ${state}`;
        report(`${wrong}: nothing new is taken until that is mended; what is kept stays`);
      }
      return true;
    },
    problem: () => {
      if (wrong !== undefined && takesBytes(directory)) {
        report(`the disk of ${directory} takes writes again`);
        wrong = undefined;
      }
      return wrong;
    },
  };
}

/** @returns what is wrong with the disk, if the error or one of its causes is a disk error */
function diskState(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code = "", errcode = 0 } = e as NodeJS.ErrnoException & { errcode?: number };
    if (Object.hasOwn(SYSTEM_CODES, code)) return SYSTEM_CODES[code];
    if (code === "ERR_SQLITE_ERROR" && SQLITE_CODES[errcode & 0xff] !== undefined) return SQLITE_CODES[errcode & 0xff];
  }
  return undefined;
}

function takesBytes(directory: string): boolean {
  const probe = join(directory, `.probe-${process.pid}`);
  try {
    writeFileSync(probe, PROBE, { mode: PRIVATE_FILE, flush: true });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { force: true });
  }
}
