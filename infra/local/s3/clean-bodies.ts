import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DataDirectoryError } from "../data-directory.ts";

/** The file names that {@link openBodies} creates. */
const OWN_NAME = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * Removes what a crash left behind: body files that no row references. It removes only files of this store, and only if the database
 * is complete: a new database does not know the bodies beside it.
 * @param isLive whether a row references that body
 * @param fresh whether the database was just created
 * @throws DataDirectoryError, removing nothing, when the directory is a link or its bodies belong to a lost database
 */
export function cleanBodies(directory: string, isLive: (id: string) => boolean, fresh: boolean): void {
  if (lstatSync(directory).isSymbolicLink())
    throw new DataDirectoryError(
      `${directory} is a link, which the store does not follow: move the directory itself there, or mount it`,
    );
  const bodies = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && OWN_NAME.test(entry.name))
    .map(({ name }) => name);
  if (fresh && bodies.length > 0)
    throw new DataDirectoryError(
      `${directory} holds ${bodies.length} objects' bodies, but the database beside it is missing or empty: restore s3.sqlite, or move the directory away`,
    );
  for (const name of bodies) if (!isLive(name)) rmSync(join(directory, name), { force: true });
}
