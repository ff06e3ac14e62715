import { parseArgs } from "node:util";
import { startStandin } from "./server.ts";

/** `node infra/local/defectdojo/main.ts --port 8080 --mode locations …`: prints one line of JSON when ready and runs until SIGTERM. */
const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    profile: { type: "string" },
    mode: { type: "string", default: "locations" },
    "api-key": { type: "string", default: "standin-admin-key" },
    "low-privileged-api-key": { type: "string", default: "standin-low-privileged-key" },
    "no-deduplication": { type: "boolean", default: false },
    "no-async-wait": { type: "boolean", default: false },
    "block-execution": { type: "boolean", default: false },
    "deduplication-delay-ms": { type: "string", default: "0" },
    "import-ms-per-finding": { type: "string", default: "0" },
    "duplicate-ms-per-finding": { type: "string", default: "0" },
    "read-ms-per-finding": { type: "string", default: "0" },
    "fixed-ms": { type: "string", default: "0" },
    workers: { type: "string", default: "2" },
    latency: { type: "string", default: "0" },
  },
});

const standin = await startStandin({
  host: values.host,
  port: Number(values.port),
  // A profile determines the mode itself.
  ...(values.profile === undefined
    ? { mode: values.mode === "endpoints" ? ("endpoints" as const) : ("locations" as const) }
    : { profile: values.profile }),
  apiKey: values["api-key"],
  lowPrivilegedApiKey: values["low-privileged-api-key"],
  deduplication: !values["no-deduplication"],
  ...(values["no-async-wait"] ? { asyncWait: false } : {}),
  blockExecution: values["block-execution"],
  deduplicationDelayMs: Number(values["deduplication-delay-ms"]),
  latency: Number(values.latency),
  timing: {
    importMsPerFinding: Number(values["import-ms-per-finding"]),
    duplicateMsPerFinding: Number(values["duplicate-ms-per-finding"]),
    readMsPerFinding: Number(values["read-ms-per-finding"]),
    fixedMs: Number(values["fixed-ms"]),
    workers: Number(values.workers),
  },
});

const { url, apiKey, lowPrivilegedApiKey } = standin;
process.stdout.write(`${JSON.stringify({ url, apiKey, lowPrivilegedApiKey })}\n`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => void standin.close().then(() => process.exit(0)));
}
