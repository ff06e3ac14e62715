import { randomBytes } from "node:crypto";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DataDirectoryError, PRIVATE_FILE, privateDirectory } from "../../infra/local/data-directory.ts";

const NAME = "webhook-token";
/** 192 bits in hexadecimal. */
const OWN = /^[\da-f]{48}$/;

/**
 * The token used if WEBHOOK_TOKEN is not set: generated once and kept in the data directory, readable by its user only.
 * @throws DataDirectoryError
 */
export async function keptToken(dataDir: string): Promise<string> {
  await privateDirectory(dataDir);
  const file = join(dataDir, NAME);
  try {
    // Of two concurrent starts one writes it, and both read what was written.
    await writeFile(file, randomBytes(24).toString("hex"), { flag: "wx", mode: PRIVATE_FILE, flush: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
    await chmod(file, PRIVATE_FILE);
    const token = (await readFile(file, "utf8")).trim();
    if (OWN.test(token)) return token;
  } catch (cause) {
    throw new DataDirectoryError(`${file} cannot be used: ${String(cause)}; set WEBHOOK_TOKEN, or correct it`, {
      cause,
    });
  }
  throw new DataDirectoryError(`${file} holds no token that the relay generated: remove it, or set WEBHOOK_TOKEN`);
}
