import { createHash } from "node:crypto";
import { invalidParameter, SqsError } from "./errors.ts";
import type { MessageAttributes } from "./input.ts";

const MAX_ATTRIBUTES = 10;
const ATTRIBUTE_NAME = /^(?!aws\.|amazon\.)(?!\.)(?!.*\.\.)(?!.*\.$)[\w.-]{1,256}$/i;
const DATA_TYPE = /^(String|Number|Binary)(\.[^\s]+)?$/;
/**
 * C0 controls except tab, newline and return; lone surrogates; U+FFFE and U+FFFF.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
const FORBIDDEN = /(?![\t\n\r\x7f-\x9f])\p{Cc}|[\p{Cs}\ufffe\uffff]/u;
const IDENTIFIER = /^[!-~]{1,128}$/;

export function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/**
 * The MD5 of message attributes, as SQS computes it: sorted by name; for each the length and bytes of name and type, a
 * byte for the kind of value (1 string, 2 binary), and its length and bytes.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
 */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  if (names.length === 0) return undefined;
  const hash = createHash("md5");
  const update = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of names) {
    const { DataType = "", StringValue, BinaryValue = "" } = attributes[name] ?? {};
    update(Buffer.from(name));
    update(Buffer.from(DataType));
    hash.update(Buffer.of(DataType.startsWith("Binary") ? 2 : 1));
    update(DataType.startsWith("Binary") ? Buffer.from(BinaryValue, "base64") : Buffer.from(StringValue ?? ""));
  }
  return hash.digest("hex");
}

/** The size that counts towards limits: the body plus the names, types and values of the attributes. */
export function messageSize(body: string, attributes: MessageAttributes): number {
  return Object.entries(attributes).reduce(
    (size, [name, { DataType, StringValue = "", BinaryValue = "" }]) =>
      size +
      Buffer.byteLength(name) +
      Buffer.byteLength(DataType) +
      Buffer.byteLength(StringValue) +
      Buffer.byteLength(BinaryValue, "base64"),
    Buffer.byteLength(body),
  );
}

export function assertBody(body: string): void {
  if (body === "") throw new SqsError("MissingParameter", "The request must contain the parameter MessageBody.");
  if (FORBIDDEN.test(body)) {
    throw new SqsError("InvalidMessageContents", "The message contains characters outside the allowed set.");
  }
}

export function assertAttributesOfMessage(attributes: MessageAttributes): void {
  const entries = Object.entries(attributes);
  if (entries.length > MAX_ATTRIBUTES) {
    throw invalidParameter(
      `Number of message attributes [${entries.length}] exceeds the allowed maximum [${MAX_ATTRIBUTES}].`,
    );
  }
  for (const [name, { DataType, StringValue, BinaryValue }] of entries) {
    if (!ATTRIBUTE_NAME.test(name)) throw invalidParameter(`The message attribute name '${name}' is invalid.`);
    if (!DATA_TYPE.test(DataType)) {
      throw invalidParameter(`The message attribute '${name}' has an invalid message attribute type.`);
    }
    const [value, other] = DataType.startsWith("Binary") ? [BinaryValue, StringValue] : [StringValue, BinaryValue];
    if (!value || other !== undefined) {
      throw invalidParameter(`The message attribute '${name}' must contain a non-empty value of its type ${DataType}.`);
    }
    if (DataType.startsWith("Number") && !Number.isFinite(Number(value))) {
      throw invalidParameter(`Can't cast the value of message (user) attribute '${name}' to a number.`);
    }
    if (DataType.startsWith("String") && FORBIDDEN.test(value)) {
      throw invalidParameter(`The message attribute '${name}' contains characters outside the allowed set.`);
    }
  }
}

/** A message group id or deduplication id. */
export function assertIdentifier(parameter: string, value: string): void {
  if (!IDENTIFIER.test(value)) {
    throw invalidParameter(
      `Value ${value} for parameter ${parameter} is invalid. Reason: 1 to 128 alphanumeric and punctuation characters.`,
    );
  }
}
