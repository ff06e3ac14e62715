import { followPorts } from "../../lib/aws/follow-ports.ts";
import type { Clients } from "../../lib/aws/ingest-ports.ts";
import { type Env, readFollowFunctionConfig } from "../../lib/config.ts";
import { follow } from "../../lib/follow/follow.ts";
import type { Observer } from "../../lib/observe.ts";

export interface Follower {
  stop(): Promise<void>;
}

/**
 * Follows verdicts every FOLLOW_SECONDS until it is stopped; 0 starts nothing.
 * @param env with the service's endpoints, queue and bucket
 */
export function startFollower(env: Env, observer: Observer, clients: Clients): Follower {
  const config = readFollowFunctionConfig(env);
  if (config.FOLLOW_SECONDS === 0 || !config.DEFECTDOJO_SYNC_FINDINGS_BACK) return { stop: async () => undefined };
  const stopped = new AbortController();
  const ports = followPorts(config, observer, clients, env);
  const settings = { bucket: config.BUCKET, since: undefined };
  const intervalMs = config.FOLLOW_SECONDS * 1000;
  const running = follow(ports, settings, { intervalMs, signal: stopped.signal });
  return {
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}
