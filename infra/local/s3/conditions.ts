import { notImplemented, S3Error } from "./errors.ts";

interface Current {
  readonly etag: string;
  readonly modified: number;
}

type Headers = ReadonlyMap<string, string>;

/**
 * Conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 * Call it in the transaction of the write, so that exactly one of several concurrent writes succeeds.
 */
export function assertWriteConditions(headers: Headers, current: Current | undefined): void {
  const noneMatch = headers.get("if-none-match");
  const match = headers.get("if-match");
  if (noneMatch !== undefined && match !== undefined)
    throw notImplemented("If-Match together with If-None-Match in a write");
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== "*") throw notImplemented("If-None-Match in a write with anything but *");
    if (current) throw new S3Error("PreconditionFailed");
  }
  if (match !== undefined) {
    if (match.trim() === "*") throw notImplemented("If-Match: * in a write");
    if (!current) throw new S3Error("NoSuchKey");
    if (!matches(match, current.etag)) throw new S3Error("PreconditionFailed");
  }
}

/** A conditional delete; if the object is absent there is nothing to compare or delete. */
export function assertDeleteCondition(etag: string | undefined, current: Current | undefined): void {
  if (etag !== undefined && current && !matches(etag, current.etag)) throw new S3Error("PreconditionFailed");
}

/** Conditional reads, in the order of RFC 9110, section 13.2.2. */
export function assertReadConditions(headers: Headers, current: Current): void {
  const [match, noneMatch] = [headers.get("if-match"), headers.get("if-none-match")];
  const notModified = new S3Error("NotModified", undefined, { headers: { etag: `"${current.etag}"` } });
  if (match !== undefined) {
    if (!matches(match, current.etag)) throw new S3Error("PreconditionFailed");
  } else if (modifiedAfter(current, headers.get("if-unmodified-since")) === true) {
    throw new S3Error("PreconditionFailed");
  }
  if (noneMatch !== undefined) {
    if (matches(noneMatch, current.etag)) throw notModified;
  } else if (modifiedAfter(current, headers.get("if-modified-since")) === false) {
    throw notModified;
  }
}

/** The conditions of CopyObject on its source; every failure is a 412. */
export function assertCopySourceConditions(headers: Headers, source: Current): void {
  const names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
  const given = names.flatMap((name) => {
    const value = headers.get(`x-amz-copy-source-${name}`);
    return value === undefined ? [] : [[name, value] as const];
  });
  try {
    assertReadConditions(new Map(given), source);
  } catch (error) {
    throw new S3Error("PreconditionFailed", undefined, { cause: error });
  }
}

// --- utils ---

function matches(header: string, etag: string): boolean {
  return header.split(",").some((item) => {
    const tag = item.trim();
    return tag === "*" || tag.replace(/^"(.*)"$/, "$1") === etag;
  });
}

/** Whether the object changed after that date (HTTP dates have whole seconds); undefined without a date. */
function modifiedAfter(current: Current, date: string | undefined): boolean | undefined {
  const time = Date.parse(date ?? "");
  return Number.isNaN(time) ? undefined : Math.floor(current.modified / 1000) > Math.floor(time / 1000);
}
