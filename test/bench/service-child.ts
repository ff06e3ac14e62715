import "../../lib/util/memory.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Service, startService } from "../../cli/runtime/service.ts";
import { serviceLog } from "../../cli/runtime/service-log.ts";
import type { Progress } from "../../lib/progress.ts";
import { offer } from "./rpc.ts";

/** The service as `dojo-relay start` runs it; it remembers when each job began and ended. */
export interface Step {
  readonly state: Progress["state"];
  readonly key: string;
  readonly at: number;
}

const steps: Step[] = [];
let service: Service | undefined;
let folder = "";

const methods = {
  start: async (env: Readonly<Record<string, string>>) => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-bench-"));
    const settings = { PORT: "0", DATA_DIR: folder, ...env };
    service = await startService(settings, serviceLog("warn"), ({ state, job }) => {
      steps.push({ state, key: job.key, at: Date.now() });
    });
    return { url: service.url };
  },
  /** What happened since this was last asked. */
  steps: () => steps.splice(0),
  peakRssMiB: () => process.resourceUsage().maxRSS / 1024,
  rssMiB: () => process.memoryUsage.rss() / 1024 / 1024,
  close: async () => {
    await service?.stop();
    await rm(folder, { recursive: true, force: true });
  },
};
export type ServiceMethods = typeof methods;

offer(methods);
