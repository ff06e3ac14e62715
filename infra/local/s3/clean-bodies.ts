import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DataDirectoryError } from "../data-directory.ts";

/** What {@link openBodies} names its files. */
const OWN_NAME = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * Removes what a crash left behind: body files that no row names. Only files that the store itself made, and only if the database
 * is complete: a new one knows nothing of the bodies beside it.
 * @param isLive whether a row names that body
 * @param fresh whether the database was made just now
 * @throws DataDirectoryError when the directory is a link, or its bodies belong to a lost database; nothing is removed then
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
