import { describeError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";
import type { Queue } from "../../lib/ports/queue.ts";
import type { DeadLetter } from "../dlq/dead-letter.ts";
import { visitDeadLetters } from "../dlq/dead-letter-visit.ts";
import type { Fifo } from "../dlq/fifo.ts";
import { redriveDeadLetters } from "../dlq/redrive.ts";
import type { Activity } from "./activity.ts";
import type { SeenScan } from "./seen-scan.ts";

/** The dead letters for the page. */
export interface DeadLetters {
  /** Shows the queue's messages as failed scans, as far as SQS delivers them without changing the queue. Does nothing if called again within minutes. */
  look(): Promise<void>;
  /** Moves a scan's dead letters back to the queue. @returns how many */
  redrive(id: string): Promise<number>;
  /** Deletes them; the scan stays in the bucket. @returns how many */
  drop(id: string): Promise<number>;
}

/** Looking hides messages from others for a second, so it happens at the start, and when a page is opened this much later. Milliseconds. */
const LEAST_PAUSE_MS = 600_000;
const MOST = 500;

export function deadLetters(
  { dlq, queue, activity }: { readonly dlq: Fifo; readonly queue: Queue; readonly activity: Activity },
  log: Log,
): DeadLetters {
  let lookedAt = Number.NEGATIVE_INFINITY;
  /** One after another: messages that one visit holds are hidden from the next. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    look: () =>
      inTurn(async () => {
        if (performance.now() - lookedAt < LEAST_PAUSE_MS) return;
        lookedAt = performance.now();
        if ((await dlq.counts()).waiting === 0) return;
        let seen = 0;
        const look = async (letter: DeadLetter) => {
          seen++;
          activity.remember(seenLetter(letter));
          return "kept" as const;
        };
        await visitDeadLetters(dlq, look, { turnOver: false, enough: () => seen >= MOST });
      }).catch((error: unknown) => {
        log.warn("the dead letters cannot be shown on the page", { why: describeError(error) });
      }),
    redrive: (id) =>
      inTurn(async () => {
        const moved = await redriveDeadLetters(dlq, queue, { selects: (letter) => idOf(letter) === id });
        if (id.startsWith(LETTER)) activity.forget(id);
        return moved;
      }),
    drop: (id) =>
      inTurn(async () => {
        let dropped = 0;
        await visitDeadLetters(dlq, async (letter) => {
          if (idOf(letter) !== id) return "kept";
          await dlq.remove(letter.message);
          dropped++;
          return "gone";
        });
        activity.forget(id);
        return dropped;
      }),
  };
}

/** No bucket has a colon in its name. */
const LETTER = "letter:";

/** The id of its scan on the page; for a message that is not a job, its own. */
const idOf = ({ id, job }: DeadLetter) => (job === undefined ? LETTER + id : `${job.bucket}/${job.key}`);

function seenLetter(letter: DeadLetter): SeenScan {
  const { scan, job, product = "", failedAt, reason, error, advice } = letter;
  return {
    id: idOf(letter),
    scan: job?.scan?.name ?? scan,
    scanType: job?.scan?.scanType ?? "",
    product,
    state: "failed",
    at: (Number.isNaN(failedAt.getTime()) ? new Date(0) : failedAt).toISOString(),
    why: error || reason,
    advice,
  };
}
