import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";

/** Writable in every container, though in its memory. */
const SHARED_MEMORY = "/dev/shm";

/**
 * A folder for reports. secureCodeBox starts hooks on a read-only file system, and the reference hook's chart mounts nothing at /tmp: shared memory stands in
 * then, for all of this process.
 * @throws RelayError `config-invalid`
 */
export async function makeScratch(log: Log, standIn = SHARED_MEMORY): Promise<string> {
  const usual = tmpdir();
  try {
    return await mkdtemp(join(usual, "dojo-relay-hook-"));
  } catch (error) {
    log.info("the usual temporary folder is not writable; reports are held in memory", { folder: usual, error });
  }
  try {
    const folder = await mkdtemp(join(standIn, "dojo-relay-hook-"));
    process.env.TMPDIR = standIn;
    return folder;
  } catch (cause) {
    throw new RelayError(
      "config-invalid",
      `neither ${usual} nor ${standIn} is writable: mount an emptyDir at /tmp, or set TMPDIR`,
      { object: "TMPDIR", cause },
    );
  }
}
