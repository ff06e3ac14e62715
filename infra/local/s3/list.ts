import { existingBucket, OWNER } from "./buckets.ts";
import { type S3Handler, xmlResponse } from "./context.ts";
import { S3Error } from "./errors.ts";
import { readInteger, requireBucket } from "./request.ts";
import type { ListedObject, ObjectStore } from "./store.ts";
import { element, optionalElement, xmlDocument } from "./xml.ts";

const MAX_KEYS = 1000;

interface Grouping {
  readonly prefix: Buffer;
  /** Empty: no common prefixes. */
  readonly delimiter: Buffer;
}

interface Page {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly Buffer[];
  /** The first key of the next page, if there is one. */
  readonly next: Buffer | undefined;
}

/** ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export const listObjects: S3Handler = (context, request) => {
  const { name } = existingBucket(context, requireBucket(request));
  const { query } = request;
  if (query.get("list-type") !== "2") throw new S3Error("InvalidArgument", "list-type must be 2");
  const encode = keyEncoder(query.get("encoding-type"));
  const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
  const maxKeys = Math.min(readInteger(query, "max-keys", MAX_KEYS), MAX_KEYS);
  const token = query.get("continuation-token");
  const startAfter = query.get("start-after");
  const bytes = { prefix: Buffer.from(prefix), delimiter: Buffer.from(delimiter) };
  const start = token === undefined ? startOf(startAfter, bytes) : Buffer.from(token, "base64url");
  const page = listPage(context.objects, name, bytes, start, maxKeys);
  const owner = query.get("fetch-owner") === "true" ? OWNER : "";
  return xmlResponse(
    xmlDocument(
      element("ListBucketResult", [
        element("Name", name),
        element("Prefix", encode(prefix)),
        optionalElement("Delimiter", delimiter === "" ? undefined : encode(delimiter)),
        element("MaxKeys", String(maxKeys)),
        optionalElement("EncodingType", query.get("encoding-type")),
        optionalElement("StartAfter", startAfter === undefined ? undefined : encode(startAfter)),
        optionalElement("ContinuationToken", token),
        element("KeyCount", String(page.objects.length + page.prefixes.length)),
        element("IsTruncated", String(page.next !== undefined)),
        optionalElement("NextContinuationToken", page.next?.toString("base64url")),
        ...page.objects.map((object) => contents(object, encode, owner)),
        ...page.prefixes.map((common) => element("CommonPrefixes", [element("Prefix", encode(common.toString()))])),
      ]),
    ),
  );
};

/** One page starting at the key `start`. A common prefix is skipped in one step, however many keys it covers. */
function listPage(
  store: ObjectStore,
  bucket: string,
  { prefix, delimiter }: Grouping,
  start: Buffer,
  maxKeys: number,
): Page {
  const objects: ListedObject[] = [];
  const prefixes: Buffer[] = [];
  let position: Buffer | undefined = Buffer.compare(start, prefix) > 0 ? start : prefix;
  while (position) {
    const from: Buffer = position;
    position = undefined;
    for (const object of store.listFrom(bucket, from)) {
      if (!object.key.subarray(0, prefix.length).equals(prefix)) break;
      if (objects.length + prefixes.length >= maxKeys) {
        return { objects, prefixes, next: maxKeys === 0 ? undefined : object.key };
      }
      const common = commonPrefix(object.key, { prefix, delimiter });
      if (!common) {
        objects.push(object);
        continue;
      }
      prefixes.push(common);
      position = afterPrefix(common);
      break;
    }
  }
  return { objects, prefixes, next: undefined };
}

// --- utils ---

function contents(object: ListedObject, encode: (text: string) => string, owner: string): string {
  return element("Contents", [
    element("Key", encode(object.key.toString())),
    element("LastModified", new Date(object.modified).toISOString()),
    element("ETag", `"${object.etag}"`),
    optionalElement("ChecksumAlgorithm", object.algorithm ?? undefined),
    optionalElement("ChecksumType", object.type ?? undefined),
    element("Size", String(object.size)),
    owner,
    element("StorageClass", "STANDARD"),
  ]);
}

/** `encoding-type=url`: form encoding that leaves slashes as they are. */
function keyEncoder(type: string | undefined): (text: string) => string {
  if (type === undefined) return (text) => text;
  if (type !== "url") throw new S3Error("InvalidArgument", `encoding-type must be url, not ${type}`);
  return (text) => new URLSearchParams([["", text]]).toString().slice(1).replaceAll("%2F", "/");
}

/** Where a listing with `start-after` begins: after that key and the common prefix that contains it. */
function startOf(startAfter: string | undefined, grouping: Grouping): Buffer {
  if (startAfter === undefined || startAfter === "") return Buffer.alloc(0);
  const key = Buffer.from(startAfter);
  const common = commonPrefix(key, grouping);
  return common ? afterPrefix(common) : Buffer.concat([key, Buffer.of(0)]);
}

/** The key up to and including the first delimiter after the prefix, if it has one. */
function commonPrefix(key: Buffer, { prefix, delimiter }: Grouping): Buffer | undefined {
  if (delimiter.length === 0 || !key.subarray(0, prefix.length).equals(prefix)) return undefined;
  const end = key.indexOf(delimiter, prefix.length);
  return end < 0 ? undefined : key.subarray(0, end + delimiter.length);
}

/** The smallest byte string greater than all those with the prefix. UTF-8 never contains 0xff, so there always is one. */
function afterPrefix(prefix: Buffer): Buffer {
  const next = Buffer.from(prefix);
  next[next.length - 1] = (next.at(-1) ?? 0) + 1;
  return next;
}
