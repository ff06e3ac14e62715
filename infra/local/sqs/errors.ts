/** Query codes and HTTP statuses of the errors; the JSON protocol still sends the code in `x-amzn-query-error`. */
const ERRORS = {
  BatchEntryIdsNotDistinct: ["AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400],
  BatchRequestTooLong: ["AWS.SimpleQueueService.BatchRequestTooLong", 400],
  EmptyBatchRequest: ["AWS.SimpleQueueService.EmptyBatchRequest", 400],
  InternalFailure: ["InternalFailure", 500],
  InvalidAttributeName: ["InvalidAttributeName", 400],
  InvalidAttributeValue: ["InvalidAttributeValue", 400],
  InvalidBatchEntryId: ["AWS.SimpleQueueService.InvalidBatchEntryId", 400],
  InvalidMessageContents: ["InvalidMessageContents", 400],
  InvalidParameterValue: ["InvalidParameterValue", 400],
  MessageNotInflight: ["AWS.SimpleQueueService.MessageNotInflight", 400],
  MissingParameter: ["MissingParameter", 400],
  QueueDoesNotExist: ["AWS.SimpleQueueService.NonExistentQueue", 400],
  QueueNameExists: ["QueueAlreadyExists", 400],
  ReceiptHandleIsInvalid: ["ReceiptHandleIsInvalid", 400],
  TooManyEntriesInBatchRequest: ["AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400],
  UnsupportedOperation: ["AWS.SimpleQueueService.UnsupportedOperation", 400],
} as const satisfies Record<string, readonly [string, number]>;

export type SqsErrorCode = keyof typeof ERRORS;

/** Thrown when an action fails; the server renders it as an SQS error response. */
export class SqsError extends Error {
  override readonly name = "SqsError";
  readonly code: SqsErrorCode;
  readonly queryCode: string;
  readonly status: number;

  constructor(code: SqsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    [this.queryCode, this.status] = ERRORS[code];
  }
}

export function invalidParameter(message: string): SqsError {
  return new SqsError("InvalidParameterValue", message);
}
