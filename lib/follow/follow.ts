import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../errors.ts";
import { type FollowPorts, type FollowSettings, followRound, type Round } from "./follow-round.ts";
import { type Pace, pauseAfter } from "./pace.ts";

export interface FollowRun {
  /** Pause between two rounds; while nothing happens it is longer. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly onRound?: (round: Round) => void;
}

/**
 * Rounds of `follow` until `signal` aborts. A round that fails is logged and tried again, with growing pauses; the watermark stays meanwhile,
 * so that nothing is missed.
 */
export async function follow(
  ports: FollowPorts,
  settings: FollowSettings,
  { intervalMs, signal, onRound }: FollowRun,
): Promise<void> {
  const { clock, log } = ports;
  for (let pace: Pace = { failures: 0, idleSince: undefined }; !signal.aborted; ) {
    try {
      const round = await followRound(ports, settings);
      onRound?.(round);
      pace = { failures: 0, idleSince: round.idle ? (pace.idleSince ?? clock.now()) : undefined };
    } catch (error) {
      pace = { ...pace, failures: pace.failures + 1 };
      const why = describeError(error);
      log.warn("verdicts cannot be followed at the moment; retrying", { failures: pace.failures, why });
    }
    await sleep(pauseAfter(pace, intervalMs, clock.now()), undefined, { signal }).catch(() => undefined);
  }
}
