import type { StandinOptions, Timing } from "../../infra/local/defectdojo/options.ts";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { offer } from "./rpc.ts";

/** The stand-in DefectDojo in a process of its own. */
let standin: Standin | undefined;

const started = () => {
  if (standin === undefined) throw new Error("the stand-in is not started");
  return standin;
};

const methods = {
  start: async (options: StandinOptions) => {
    standin = await startStandin({ maxReportBytes: 1024 ** 3, ...options });
    const { url, apiKey, lowPrivilegedApiKey } = standin;
    return { url, apiKey, lowPrivilegedApiKey };
  },
  /** From the next request on. */
  pace: (timing: Timing) => {
    Object.assign(started().state.settings.timing, timing);
  },
  /** The requests since this was last asked. */
  requests: () => started().state.requests.splice(0),
  close: () => started().close(),
};
export type DefectDojoMethods = typeof methods;

offer(methods);
