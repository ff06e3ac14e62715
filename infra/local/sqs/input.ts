import { z } from "zod";
import { SqsError } from "./errors.ts";

/** Message attributes in the AWS JSON protocol: binary values are base64. */
export const MessageAttributes = z.record(
  z.string(),
  z.strictObject({
    DataType: z.string(),
    StringValue: z.string().optional(),
    BinaryValue: z.base64().optional(),
    StringListValues: z.tuple([]).optional(),
    BinaryListValues: z.tuple([]).optional(),
  }),
);

export type MessageAttributes = z.infer<typeof MessageAttributes>;

const seconds = z.number().int().min(0);

export const SendEntry = z.strictObject({
  MessageBody: z.string(),
  DelaySeconds: seconds.max(900).optional(),
  MessageAttributes: MessageAttributes.optional(),
  MessageSystemAttributes: MessageAttributes.optional(),
  MessageDeduplicationId: z.string().optional(),
  MessageGroupId: z.string().optional(),
});

export type SendEntry = z.infer<typeof SendEntry>;

export const VisibilityEntry = z.strictObject({ ReceiptHandle: z.string(), VisibilityTimeout: seconds.max(43_200) });

export const ReceiveInput = z.strictObject({
  QueueUrl: z.string(),
  AttributeNames: z.array(z.string()).optional(),
  MessageSystemAttributeNames: z.array(z.string()).optional(),
  MessageAttributeNames: z.array(z.string()).optional(),
  MaxNumberOfMessages: z.number().int().min(1).max(10).default(1),
  VisibilityTimeout: seconds.max(43_200).optional(),
  WaitTimeSeconds: seconds.max(20).optional(),
});

/**
 * Reads the input of an action. Unknown fields are rejected, never silently ignored.
 */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  const options = { cause: result.error };
  if (issue?.code === "unrecognized_keys") {
    throw new SqsError("UnsupportedOperation", `This server does not support ${issue.keys.join(", ")}.`, options);
  }
  if (issue?.code === "invalid_type" && valueAt(input, issue.path) === undefined) {
    throw new SqsError("MissingParameter", `The request must contain the parameter ${path}.`, options);
  }
  throw new SqsError(
    "InvalidParameterValue",
    `Value for parameter ${path} is invalid. Reason: ${issue?.message}.`,
    options,
  );
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
}
