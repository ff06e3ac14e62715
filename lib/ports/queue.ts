/** A message to send to a FIFO queue. */
export interface OutgoingMessage {
  readonly body: string;
  readonly group: string;
  readonly deduplicationId: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** The queue port. */
export interface Queue {
  send(message: OutgoingMessage): Promise<void>;
  /** Makes a received message visible again after `seconds`, counted from now. */
  changeVisibility(receiptHandle: string, seconds: number): Promise<void>;
}
