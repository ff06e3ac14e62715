import type { OutgoingMessage, Queue } from "../../lib/ports/queue.ts";

/** The queue port in memory; it records messages and changes of visibility. */
export interface MemoryQueue extends Queue {
  readonly sent: OutgoingMessage[];
  readonly visibility: { readonly receiptHandle: string; readonly seconds: number }[];
  /** Runs before each call; its error fails the call. */
  before: (call: "send" | "changeVisibility") => void | Promise<void>;
}

export function memoryQueue(): MemoryQueue {
  const queue: MemoryQueue = {
    sent: [],
    visibility: [],
    before: () => undefined,
    send: async (message) => {
      await queue.before("send");
      queue.sent.push(message);
    },
    changeVisibility: async (receiptHandle, seconds) => {
      await queue.before("changeVisibility");
      queue.visibility.push({ receiptHandle, seconds });
    },
  };
  return queue;
}
