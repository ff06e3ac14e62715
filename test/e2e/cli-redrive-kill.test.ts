import { expect, it } from "vitest";
import { parseFilter, selection } from "../../cli/dlq/dead-letter-filter.ts";
import { type Fifo, fifo } from "../../cli/dlq/fifo.ts";
import { redriveDeadLetters } from "../../cli/dlq/redrive.ts";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import type { Queue } from "../../lib/ports/queue.ts";
import { aProductJob, startQueues } from "./cli-queues.ts";

/** Wraps every call of a process that dies before or after one of them; all later calls fail. */
function mortal(diesAt: number, after: boolean) {
  let calls = 0;
  const killed = () => new Error("killed");
  return {
    calls: () => calls,
    call: async <T>(effect: () => Promise<T>): Promise<T> => {
      const index = calls++;
      if (index > diesAt || (index === diesAt && !after)) throw killed();
      const result = await effect();
      if (index === diesAt) throw killed();
      return result;
    },
  };
}

/** One message at a time, so that remaining ones must be cycled through. */
function mortalDlq(real: Fifo, call: ReturnType<typeof mortal>["call"]): Fifo {
  return {
    url: real.url,
    counts: () => call(() => real.counts()),
    receive: (options) => call(() => real.receive({ ...options, most: 1, waitSeconds: 0 })),
    sendAgain: (message, attributes, id) => call(() => real.sendAgain(message, attributes, id)),
    remove: (message) => call(() => real.remove(message)),
    hide: (messages, seconds) => call(() => real.hide(messages, seconds)),
  };
}

const selects = selection([], parseFilter("reason=dojo-timeout"));
const names = (messages: readonly { Body?: string | undefined }[]) =>
  messages.map(({ Body = "" }) => (JSON.parse(Body) as { scan: { name: string } }).scan.name);

/** Four messages of one product; a redrive that dies, and another after it, move two of them. */
async function redriveTwice(diesAt: number, after: boolean) {
  await using queues = await startQueues();
  for (let n = 0; n < 4; n++)
    await queues.deadLetter(aProductJob(n, "shop"), n % 2 === 0 ? "dojo-busy" : "dojo-timeout");
  const [real, queue] = [fifo(queues.sqs, queues.dlqUrl), sqsQueue(queues.sqs, queues.queueUrl)];
  const { calls, call } = mortal(diesAt, after);
  const dying: Queue = { ...queue, send: (message) => call(() => queue.send(message)) };
  let error: unknown;
  await redriveDeadLetters(mortalDlq(real, call), dying, { selects }).catch((thrown: unknown) => {
    error = thrown;
  });
  // Messages in flight become visible again after their timeout.
  queues.later(120_000);
  const first = names(await queues.drain("queue"));
  await redriveDeadLetters(real, queue, { selects });
  const second = names(await queues.drain("queue"));
  return { calls: calls(), error, first, second, stayed: names(await queues.drain("dlq")) };
}

it("a redrive killed before or after any call loses no message, and the next one completes it", async () => {
  const whole = await redriveTwice(Number.POSITIVE_INFINITY, false);
  expect(whole).toMatchObject({ error: undefined, first: ["scan-1", "scan-3"], second: [] });
  expect(whole.stayed).toEqual(["scan-0", "scan-2"]);
  const points = Array.from({ length: whole.calls }, (_, at) => [false, true].map((after) => ({ at, after }))).flat();
  const ends = await Promise.all(points.map(({ at, after }) => redriveTwice(at, after)));
  for (const [index, { first, second, stayed }] of ends.entries()) {
    const where = JSON.stringify(points[index]);
    expect(new Set([...first, ...second]), where).toEqual(new Set(["scan-1", "scan-3"]));
    // At most one exists twice: the one that was sent but not yet deleted.
    expect(first.length + second.length, where).toBeLessThanOrEqual(3);
    expect(stayed.sort(), where).toEqual(["scan-0", "scan-2"]);
  }
});
