import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../errors.ts";
import { type FollowPorts, type FollowSettings, followRound, type Round } from "./follow-round.ts";

/** The longest wait before a failed round is retried. Milliseconds. */
const LONGEST_PAUSE_MS = 300_000;

export interface FollowRun {
  /** Pause between two rounds. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly onRound?: (round: Round) => void;
}

/**
 * Rounds of `follow` until `signal` aborts. A round that fails is logged and retried, with growing pauses; the watermark does not move meanwhile,
 * so nothing is missed.
 */
export async function follow(
  ports: FollowPorts,
  settings: FollowSettings,
  { intervalMs, signal, onRound }: FollowRun,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      const round = await followRound(ports, settings);
      onRound?.(round);
      failures = 0;
    } catch (error) {
      failures++;
      ports.log.warn("verdicts cannot be followed at the moment; retrying", {
        failures,
        why: describeError(error),
      });
    }
    const pause = Math.max(intervalMs, failures === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, intervalMs * 2 ** failures));
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}
