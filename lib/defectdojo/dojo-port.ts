import type { DojoConfig, Env } from "../config.ts";
import type { DefectDojo } from "../ports/defectdojo.ts";
import { apiKeySource, headerSource } from "./api-key.ts";
import { dojoClient } from "./client.ts";
import { httpTransport } from "./http.ts";

/** DefectDojo as the configuration says. */
export function dojoPort(config: DojoConfig, proxyEnv: Env): DefectDojo {
  const transport = httpTransport({
    baseUrl: config.DEFECTDOJO_URL,
    apiKey: apiKeySource(config),
    headers: headerSource(config),
    timeoutMs: config.DEFECTDOJO_TIMEOUT_SECONDS * 1000,
    proxyEnv,
  });
  return dojoClient(transport, { baseUrl: config.DEFECTDOJO_URL, readConcurrency: config.READ_CONCURRENCY });
}
