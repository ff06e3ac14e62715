import { followPorts } from "../../lib/aws/follow-ports.ts";
import type { Clients } from "../../lib/aws/ingest-ports.ts";
import { type Env, readFollowFunctionConfig } from "../../lib/config.ts";
import { follow } from "../../lib/follow/follow.ts";
import type { Round } from "../../lib/follow/follow-round.ts";
import type { Observer } from "../../lib/observe.ts";
import { type FollowLag, lagOf } from "../follow-lag.ts";

export interface Follower {
  /** How far verdicts are followed; undefined if they are not, or before the first round has ended. */
  lag(): FollowLag | undefined;
  stop(): Promise<void>;
}

/**
 * Follows verdicts every FOLLOW_SECONDS until it is stopped; 0 starts nothing.
 * @param env with the service's endpoints, queue and bucket
 */
export function startFollower(env: Env, observer: Observer, clients: Clients): Follower {
  const config = readFollowFunctionConfig(env);
  if (config.FOLLOW_SECONDS === 0 || !config.DEFECTDOJO_SYNC_FINDINGS_BACK) {
    return { lag: () => undefined, stop: async () => undefined };
  }
  const stopped = new AbortController();
  const ports = followPorts(config, observer, clients, env);
  const settings = { bucket: config.BUCKET, since: undefined };
  const intervalMs = config.FOLLOW_SECONDS * 1000;
  let upTo: string | undefined;
  const onRound = (round: Round) => {
    upTo = round.upTo;
  };
  const running = follow(ports, settings, { intervalMs, signal: stopped.signal, onRound });
  return {
    lag: () => (upTo === undefined ? undefined : lagOf(upTo, Date.now())),
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}
