import type { DojoConfig, Env } from "../../lib/config.ts";
import { dojoApi } from "../../lib/defectdojo/api.ts";
import { dojoCatalog } from "../../lib/defectdojo/catalog.ts";
import { dojoTransport } from "../../lib/defectdojo/dojo-port.ts";
import { describeError, toRelayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";

/**
 * Checks URL and key of DefectDojo as `doctor` does. Failures are logged with their remedy; the service keeps running.
 * @returns the problem, for `/readyz`
 */
export async function dojoAtStart(config: DojoConfig, env: Env, log: Log): Promise<string | undefined> {
  try {
    const { username } = await dojoCatalog(dojoApi(dojoTransport(config, env))).user();
    log.debug("DefectDojo responds", { url: config.DEFECTDOJO_URL, user: username });
    return undefined;
  } catch (error) {
    const failure = toRelayError(error, config.DEFECTDOJO_URL);
    log.warn("DefectDojo does not respond as expected; jobs will fail until it does", {
      reason: failure.reason,
      advice: failure.advice,
      error: failure,
    });
    return describeError(failure, 300);
  }
}
