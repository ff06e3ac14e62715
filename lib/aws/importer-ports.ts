import type { Env, ImporterConfig } from "../config.ts";
import { dojoPort } from "../defectdojo/dojo-port.ts";
import { importLoad } from "../importer/import-load.ts";
import type { RecordPorts } from "../importer/settle-message.ts";
import type { Observer } from "../observe.ts";
import { testIndex } from "../ports/test-index.ts";
import { testLeases } from "../ports/test-lease.ts";
import { type Clients, ingestPorts } from "./ingest-ports.ts";

/** The ports that the importer uses. */
export function importerPorts(
  config: ImporterConfig,
  observer: Observer,
  clients: Clients,
  proxyEnv: Env,
): RecordPorts {
  const ports = ingestPorts(config, observer, clients);
  const dojo = dojoPort(config, proxyEnv);
  const index = (bucket: string) => testIndex(ports.storage, bucket, (testId) => dojo.url("test", testId));
  const leases = (bucket: string) => testLeases(ports.storage, bucket, ports.clock);
  return { ...ports, dojo, index, leases, load: importLoad() };
}
