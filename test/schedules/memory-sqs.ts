import { RelayError } from "../../lib/errors.ts";
import type { OutgoingMessage, Queue } from "../../lib/ports/queue.ts";

export interface QueuedMessage extends OutgoingMessage {
  readonly messageId: string;
  receiptHandle: string;
  receiveCount: number;
  /** Milliseconds; in the future while the message is in flight. */
  visibleAt: number;
}

/** One FIFO queue: a group is delivered in order, one message at a time; a deduplication id is valid for five minutes. */
export interface MemorySqs {
  readonly messages: QueuedMessage[];
  send(message: OutgoingMessage): void;
  /** Receives the next available message, which stays hidden until it is returned. */
  receive(): QueuedMessage | undefined;
  changeVisibility(receiptHandle: string, seconds: number): void;
  delete(receiptHandle: string): void;
}

const DEDUPLICATION_MS = 300_000;
const IN_FLIGHT = Number.POSITIVE_INFINITY;

/** @param onChange is called with the time at which a message may become visible */
export function memorySqs(now: () => number, onChange: (at: number) => void = () => undefined): MemorySqs {
  const messages: QueuedMessage[] = [];
  const known = new Map<string, number>();
  let ids = 0;
  const inFlight = (receiptHandle: string) => {
    const found = messages.find((message) => message.receiptHandle === receiptHandle);
    if (found !== undefined && found.visibleAt > now()) return found;
    throw new RelayError("queue-unavailable", "the receipt handle has expired", { object: "queue" });
  };
  return {
    messages,
    send: (message) => {
      if (now() - (known.get(message.deduplicationId) ?? -DEDUPLICATION_MS) < DEDUPLICATION_MS) return;
      known.set(message.deduplicationId, now());
      messages.push({ ...message, messageId: `m${++ids}`, receiptHandle: "", receiveCount: 0, visibleAt: now() });
      onChange(now());
    },
    receive: () => {
      const blocked = new Set<string>();
      for (const message of messages) {
        if (blocked.has(message.group)) continue;
        if (message.visibleAt > now()) {
          blocked.add(message.group);
          continue;
        }
        message.receiveCount++;
        message.receiptHandle = `${message.messageId}/${message.receiveCount}`;
        message.visibleAt = IN_FLIGHT;
        return message;
      }
      return undefined;
    },
    changeVisibility: (receiptHandle, seconds) => {
      const message = inFlight(receiptHandle);
      message.visibleAt = now() + seconds * 1000;
      onChange(message.visibleAt);
    },
    delete: (receiptHandle) => {
      messages.splice(messages.indexOf(inFlight(receiptHandle)), 1);
      onChange(now());
    },
  };
}

export type QueueRequest = <T>(what: string, effect: () => T) => Promise<T>;

export function queueOver(sqs: MemorySqs, request: QueueRequest): Queue {
  return {
    send: (message) => request("send", () => sqs.send(message)),
    changeVisibility: (receiptHandle, seconds) =>
      request("change visibility", () => sqs.changeVisibility(receiptHandle, seconds)),
  };
}
