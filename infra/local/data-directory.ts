import type { Stats } from "node:fs";
import { chmod, lstat, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, parse, resolve } from "node:path";
import { within } from "../../lib/util/within.ts";

/** Thrown when a data directory or a file in it cannot be used. The message names the file and the remedy. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

/** Private to the relay's user: the directory holds scan results and a token. */
const PRIVATE_DIRECTORY = 0o700;
export const PRIVATE_FILE = 0o600;

/** An unreachable network file system blocks every call. */
const LONGEST_MS = 10_000;

/**
 * Creates a private directory with its parents and checks that it is writable.
 * @throws DataDirectoryError naming the obstacle, also when the file system does not respond in time
 */
export async function privateDirectory(directory: string, longestMs = LONGEST_MS): Promise<void> {
  await within(longestMs, prepare(resolve(directory)), () => {
    throw unusable(directory, `the file system has not answered within ${longestMs / 1000} s`);
  });
}

async function prepare(directory: string): Promise<void> {
  try {
    await makeDirectories(directory);
    await closeToOthers(directory);
    const probe = join(directory, `.probe-${process.pid}`);
    await writeFile(probe, "", { mode: PRIVATE_FILE });
    await rm(probe, { force: true });
  } catch (error) {
    if (error instanceof DataDirectoryError) throw error;
    throw unusable(directory, reasonOf(error), error);
  }
}

/** One level at a time: recursive `mkdir` never ends on a file system that returns ENOENT for every name, like /proc. */
async function makeDirectories(directory: string): Promise<void> {
  const missing: string[] = [];
  for (let at = directory; (await existing(at)) === undefined; at = dirname(at)) {
    missing.unshift(at);
    if (at === parse(at).root) break;
  }
  for (const step of missing) {
    await mkdir(step, { mode: PRIVATE_DIRECTORY }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** A mounted volume may belong to another user, and only that user can change its mode. Files created in it are private anyway. */
async function closeToOthers(directory: string): Promise<void> {
  const found = await lstat(directory);
  if (found.isSymbolicLink()) return;
  if (!found.isDirectory()) throw unusable(directory, "it is no directory");
  if ((found.mode & 0o077) === 0) return;
  await chmod(directory, PRIVATE_DIRECTORY).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EPERM" && error.code !== "EROFS") throw error;
  });
}

async function existing(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const unusable = (directory: string, why: string, cause?: unknown) =>
  new DataDirectoryError(`the data directory ${directory} cannot be used: ${why}`, { cause });

/** What each error code means here. */
const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "its file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of its path is no directory",
  ENOENT: "its file system takes no directories",
};

function reasonOf(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return Object.hasOwn(MEANINGS, code) ? `${MEANINGS[code]} (${code})` : message;
}
