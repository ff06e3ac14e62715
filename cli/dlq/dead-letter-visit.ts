import { randomUUID } from "node:crypto";
import { sha256 } from "../../lib/util/digest.ts";
import { carriedAttributes, type DeadLetter, toDeadLetter } from "./dead-letter.ts";
import type { Fifo } from "./fifo.ts";

/** What happens to a dead letter: `gone` was removed by the visitor, `kept` stays in the queue. */
export type Verdict = "kept" | "gone";

export interface VisitOptions {
  readonly signal?: AbortSignal;
  /** How long a received message is hidden; it is released at the end. */
  readonly visibilitySeconds?: number;
  /** Messages received at once. */
  readonly most?: number;
  /** False: shows only what SQS delivers of each group by itself, and changes nothing in the queue. */
  readonly turnOver?: boolean;
  /** True once everything wanted is found. */
  readonly enough?: () => boolean;
}

const VISIBILITY_SECONDS = 60;
/** The last messages may take a moment to show up; only a long poll asks all of SQS's servers. */
const LAST_WAIT_SECONDS = 1;

/** A dead letter that stays, hidden until it is released. A `turned` one is a copy at the end of its group, which we may not have received. */
interface Held {
  readonly letter: DeadLetter;
  readonly turned: boolean;
}

/**
 * Shows every message in the dead-letter queue to `visit`, once each, and releases what it keeps. What arrives meanwhile is left alone: a
 * message that was moved and failed again is not shown twice.
 *
 * SQS hands out no more of a FIFO group while one of its messages is hidden, and hands out a visible one repeatedly. So where messages are
 * behind kept ones, those are turned over: sent again to the end of their group, then removed. Killed between the two, the message is there
 * twice; the next visit recognises it by its id and removes one.
 * @returns how many are behind kept ones and were not shown, if nothing is turned over
 */
export async function visitDeadLetters(dlq: Fifo, visit: Visit, options: VisitOptions = {}): Promise<number> {
  const visiting = await begin(dlq, visit, options);
  const { held, ended, turnedGroups, inHand, turnOver, stopped } = visiting;
  try {
    while (!stopped()) {
      await keepHidden(visiting);
      if (await takeSome(visiting, 0)) continue;
      const blocked = turnOver && (await dlq.counts()).waiting > 0;
      if (blocked && (await turnThemOver(visiting, (group) => !ended.has(group)))) continue;
      if (stopped() || !(await takeSome(visiting, LAST_WAIT_SECONDS))) break;
    }
    // A group that was begun is turned over as a whole, which keeps its order.
    await turnThemOver(visiting, (group) => turnedGroups.has(group));
    return turnOver ? 0 : (await dlq.counts()).waiting;
  } finally {
    const messages = [...received(held), ...[...inHand].map(({ message }) => message)];
    // If this fails too, they come back by themselves.
    await dlq.hide(messages, 0).catch(() => undefined);
  }
}

type Visit = (letter: DeadLetter) => Promise<Verdict>;

/** A visit in progress. */
interface Visiting {
  readonly dlq: Fifo;
  readonly visit: Visit;
  readonly visibilitySeconds: number;
  readonly most: number;
  readonly turnOver: boolean;
  readonly stopped: () => boolean;
  /** The server's clock when the visit began. Milliseconds since the epoch. */
  readonly serverNow: number;
  readonly held: Map<string, Held>;
  readonly gone: { readonly ids: Set<string>; readonly bodies: Set<string> };
  /** Groups that were shown completely. */
  readonly ended: Set<string>;
  readonly turnedGroups: Set<string>;
  /** Received, but neither settled nor held yet. */
  readonly inHand: Set<DeadLetter>;
  /** When the held ones' visibility was last extended, by `performance.now()`. */
  extended: number;
}

async function begin(dlq: Fifo, visit: Visit, options: VisitOptions): Promise<Visiting> {
  const { signal, visibilitySeconds = VISIBILITY_SECONDS, most = 10, turnOver = true, enough } = options;
  const { serverNow } = await dlq.counts();
  return {
    ...{ dlq, visit, visibilitySeconds, most, turnOver, serverNow },
    stopped: () => signal?.aborted === true || enough?.() === true,
    held: new Map(),
    gone: { ids: new Set(), bodies: new Set() },
    ended: new Set(),
    turnedGroups: new Set(),
    inHand: new Set(),
    extended: performance.now(),
  };
}

function arrivedLater({ serverNow, gone }: Visiting, { message, body }: DeadLetter): boolean {
  const sent = Number(message.Attributes?.SentTimestamp ?? 0);
  // The server reports time in whole seconds.
  return sent >= serverNow + 1_000 || (sent >= serverNow && gone.bodies.has(sha256(body)));
}

/** @returns false for later arrivals: with them the visit might never end */
async function meet(visiting: Visiting, letter: DeadLetter): Promise<boolean> {
  const { dlq, visit, held, gone, ended } = visiting;
  const known = held.get(letter.id);
  if (gone.ids.has(letter.id) || (known !== undefined && !known.turned && !isSame(known.letter, letter))) {
    await dlq.remove(letter.message);
  } else if (known !== undefined) {
    if (known.turned) ended.add(letter.group);
    held.set(letter.id, { ...known, letter });
  } else if (arrivedLater(visiting, letter)) {
    ended.add(letter.group);
    held.set(letter.id, { letter, turned: false });
    return false;
  } else if ((await visit(letter)) === "kept") {
    held.set(letter.id, { letter, turned: false });
  } else {
    gone.ids.add(letter.id);
    gone.bodies.add(sha256(letter.body));
  }
  return true;
}

/** @returns whether asking for more is worthwhile */
async function takeSome(visiting: Visiting, waitSeconds: number): Promise<boolean> {
  const { dlq, most, visibilitySeconds, inHand, stopped } = visiting;
  const messages = await dlq.receive({ most, visibilitySeconds, waitSeconds });
  const letters = messages.map(toDeadLetter);
  for (const letter of letters) inHand.add(letter);
  let any = false;
  for (const letter of letters) {
    if (stopped()) break;
    any = (await meet(visiting, letter)) || any;
    inHand.delete(letter);
  }
  return any;
}

/** Extends the visibility timeout of held messages before they reappear. */
async function keepHidden(visiting: Visiting): Promise<void> {
  const { dlq, held, visibilitySeconds } = visiting;
  if (performance.now() - visiting.extended < (visibilitySeconds * 1000) / 3) return;
  visiting.extended = performance.now();
  await dlq.hide(received(held), visibilitySeconds);
}

/** @returns whether any were turned over: messages behind them may become visible */
async function turnThemOver(visiting: Visiting, which: (group: string) => boolean): Promise<boolean> {
  const { dlq, held, turnedGroups, stopped } = visiting;
  const blocking = [...held.values()].filter(({ letter, turned }) => !turned && which(letter.group));
  for (const { letter } of blocking) {
    if (stopped()) return false;
    await dlq.sendAgain(letter.message, carriedAttributes(letter), randomUUID());
    await dlq.remove(letter.message);
    held.set(letter.id, { letter: { ...letter, message: {} }, turned: true });
    turnedGroups.add(letter.group);
  }
  return blocking.length > 0;
}

const received = (held: ReadonlyMap<string, Held>) =>
  [...held.values()].flatMap(({ letter: { message } }) => (message.ReceiptHandle === undefined ? [] : [message]));

const isSame = (a: DeadLetter, b: DeadLetter) => a.message.MessageId === b.message.MessageId;
