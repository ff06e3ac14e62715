import type { DojoConfig, Env } from "../config.ts";
import type { DefectDojo } from "../ports/defectdojo.ts";
import { apiKeySource, headerSource } from "./api-key.ts";
import { dojoClient } from "./client.ts";
import { httpTransport, type Transport } from "./http.ts";

/** The transport to DefectDojo, from the configuration. */
export function dojoTransport(config: DojoConfig, proxyEnv: Env): Transport {
  return httpTransport({
    baseUrl: config.DEFECTDOJO_URL,
    apiKey: apiKeySource(config),
    headers: headerSource(config),
    timeoutMs: config.DEFECTDOJO_TIMEOUT_SECONDS * 1000,
    proxyEnv,
  });
}

/** The DefectDojo port, from the configuration. */
export function dojoPort(config: DojoConfig, proxyEnv: Env): DefectDojo {
  const transport = dojoTransport(config, proxyEnv);
  return dojoClient(transport, { baseUrl: config.DEFECTDOJO_URL, readConcurrency: config.READ_CONCURRENCY });
}
