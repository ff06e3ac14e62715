import { RelayError } from "../errors.ts";
import type { DojoApi } from "./api.ts";
import { detectLocationMode, type LocationMode } from "./locations.ts";
import { remembered } from "./remembered.ts";

/** How this server returns locations, as last detected. */
export interface LocationModes {
  readonly current: () => Promise<LocationMode>;
  /** The current mode, after responses that do not fit the assumed one: the server was upgraded, or its flag switched. */
  readonly again: (seen: LocationMode) => Promise<LocationMode>;
}

export function locationModes(api: DojoApi): LocationModes {
  const known = remembered();
  const current = () => known.remember("mode", () => detectLocationMode(api));
  return {
    current,
    again: async (seen) => {
      // Of pages read in parallel, the first one in doubt detects it.
      if ((await current()) === seen) known.forget("mode");
      return await current();
    },
  };
}

/** Whether the server refuses what this mode requests: `location*\/` does not exist, or not for this token. */
export function deniesMode(error: unknown): boolean {
  if (!(error instanceof RelayError)) return false;
  return (error.status === 404 || error.status === 403) && /\/location(?:_findings)?\//.test(error.object ?? "");
}
