import type { DojoConfig, Env } from "../../lib/config.ts";
import { dojoApi } from "../../lib/defectdojo/api.ts";
import { apiKeySource, headerSource } from "../../lib/defectdojo/api-key.ts";
import { dojoCatalog } from "../../lib/defectdojo/catalog.ts";
import { httpTransport } from "../../lib/defectdojo/http.ts";
import { describeError, toRelayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";

/**
 * Checks URL and key of DefectDojo as `doctor` does. Failures are logged with their remedy; the service keeps running.
 * @returns what is wrong, for `/readyz`
 */
export async function dojoAtStart(config: DojoConfig, env: Env, log: Log): Promise<string | undefined> {
  try {
    const transport = httpTransport({
      baseUrl: config.DEFECTDOJO_URL,
      apiKey: apiKeySource(config),
      headers: headerSource(config),
      timeoutMs: config.DEFECTDOJO_TIMEOUT_SECONDS * 1000,
      proxyEnv: env,
    });
    const { username } = await dojoCatalog(dojoApi(transport)).user();
    log.debug("DefectDojo answers", { url: config.DEFECTDOJO_URL, user: username });
    return undefined;
  } catch (error) {
    const failure = toRelayError(error, config.DEFECTDOJO_URL);
    log.warn("DefectDojo does not answer as it should; jobs will fail until it does", {
      reason: failure.reason,
      advice: failure.advice,
      error: failure,
    });
    return describeError(failure, 300);
  }
}
