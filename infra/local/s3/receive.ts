import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { decodeAwsChunked } from "./aws-chunked.ts";
import type { Bodies, Segment } from "./bodies.ts";
import {
  assertChecksumFormat,
  type Checksum,
  type ChecksumAlgorithm,
  checksumAlgorithm,
  checksumHeader,
  createDigest,
  type Digest,
  readChecksum,
} from "./checksums.ts";
import { notImplemented, S3Error } from "./errors.ts";
import { readInteger, type S3Request } from "./request.ts";
import { parseXml, type XmlElement, XmlError } from "./xml.ts";

const MAX_BODY = 5 * 1024 ** 3;
const MAX_XML = 4 * 1024 ** 2;

export interface Received {
  readonly segment: Segment;
  readonly md5: Buffer;
  /** The client's verified checksum, or the one computed with the upload's algorithm. */
  readonly checksum: Checksum | undefined;
}

/** Streams the body into a new file and verifies length and checksums; a mismatch leaves no file. */
export async function receiveBody(request: S3Request, bodies: Bodies, wanted?: ChecksumAlgorithm): Promise<Received> {
  const length = declaredLength(request);
  if (length > MAX_BODY) throw new S3Error("EntityTooLarge");
  const check = bodyCheck(request, wanted);
  const writer = await bodies.create();
  try {
    for await (const bytes of decodedBody(request, length, check.trailers)) {
      check.update(bytes);
      await writer.write(bytes);
    }
    const verified = check.verify();
    return { segment: await writer.close(), ...verified };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Reads a small XML document from the body, verified like any other. */
export async function receiveXml(request: S3Request): Promise<XmlElement> {
  const length = declaredLength(request);
  if (length > MAX_XML) throw new S3Error("MalformedXML", "The XML document is too large.");
  const check = bodyCheck(request, undefined);
  const blocks: Uint8Array[] = [];
  for await (const bytes of decodedBody(request, length, check.trailers)) {
    check.update(bytes);
    blocks.push(bytes);
  }
  check.verify();
  return readXml(() => parseXml(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(blocks))));
}

/** Parses XML; a malformed document is a client error. */
export function readXml<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof XmlError || error instanceof TypeError)
      throw new S3Error("MalformedXML", undefined, { cause: error });
    throw error;
  }
}

// --- utils ---

function declaredLength({ headers }: S3Request): number {
  const name = isChunked(headers) ? "x-amz-decoded-content-length" : "content-length";
  const length = readInteger(headers, name, Number.NaN);
  if (Number.isNaN(length)) throw new S3Error("MissingContentLength");
  return length;
}

function isChunked(headers: ReadonlyMap<string, string>): boolean {
  return headers.get("x-amz-content-sha256")?.startsWith("STREAMING-") ?? false;
}

async function* decodedBody(
  request: S3Request,
  length: number,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const raw = readMessage(request.body);
  let received = 0;
  for await (const bytes of isChunked(request.headers) ? decodeAwsChunked(raw, trailers) : raw) {
    received += bytes.length;
    if (received > length) throw new S3Error("IncompleteBody", "The body is longer than its declared length.");
    yield bytes;
  }
  if (received < length) throw new S3Error("IncompleteBody");
}

/** The bytes of the request. Stopping early keeps the connection open, so that the error response can still be sent. */
function readMessage(message: IncomingMessage): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => message.iterator({ destroyOnReturn: false }) };
}

function bodyCheck({ headers }: S3Request, wanted: ChecksumAlgorithm | undefined) {
  const trailers = new Map<string, string>();
  const md5 = createHash("md5");
  const expectedMd5 = readContentMd5(headers.get("content-md5"));
  const expectedSha256 = readContentSha256(headers.get("x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD");
  const sha256 = expectedSha256 === undefined ? undefined : createHash("sha256");
  const announced = announcedChecksum(headers, wanted);
  const digest: Digest | undefined = announced && createDigest(announced.algorithm);
  return {
    trailers,
    update(bytes: Uint8Array): void {
      md5.update(bytes);
      sha256?.update(bytes);
      digest?.update(bytes);
    },
    verify(): { md5: Buffer; checksum: Checksum | undefined } {
      const actualMd5 = md5.digest();
      if (expectedMd5 && !expectedMd5.equals(actualMd5)) {
        throw new S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.");
      }
      if (expectedSha256 !== undefined && sha256?.digest("hex") !== expectedSha256) {
        throw new S3Error("XAmzContentSHA256Mismatch");
      }
      if (!announced || !digest) return { md5: actualMd5, checksum: undefined };
      const { algorithm } = announced;
      const expected = announced.trailing ? trailers.get(checksumHeader(algorithm)) : announced.value;
      if (announced.trailing && expected === undefined) {
        throw new S3Error("InvalidRequest", `The trailer ${checksumHeader(algorithm)} is missing.`);
      }
      const value = digest.digest().toString("base64");
      if (expected !== undefined && expected !== value) {
        throw new S3Error("BadDigest", `The ${algorithm} you specified did not match the calculated checksum.`);
      }
      return { md5: actualMd5, checksum: { algorithm, value } };
    },
  };
}

interface Announced {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string | undefined;
  readonly trailing: boolean;
}

/** The checksum in the headers or announced as a trailer; otherwise one computed with the `wanted` algorithm. */
function announcedChecksum(headers: ReadonlyMap<string, string>, wanted?: ChecksumAlgorithm): Announced | undefined {
  const given = readChecksum(headers);
  const trailer = headers.get("x-amz-trailer");
  if (given) {
    assertChecksumFormat(given);
    if (wanted && wanted !== given.algorithm) throw wrongAlgorithm(wanted);
    return { ...given, trailing: false };
  }
  if (trailer !== undefined) {
    const [, name] = /^x-amz-checksum-(\w+)$/i.exec(trailer.trim()) ?? [];
    if (name === undefined) throw notImplemented(`the trailer ${trailer}`);
    const algorithm = checksumAlgorithm(name);
    if (wanted && wanted !== algorithm) throw wrongAlgorithm(wanted);
    return { algorithm, value: undefined, trailing: true };
  }
  if (headers.has("x-amz-sdk-checksum-algorithm")) {
    const message =
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.";
    throw new S3Error("InvalidRequest", message);
  }
  return wanted && { algorithm: wanted, value: undefined, trailing: false };
}

function wrongAlgorithm(wanted: ChecksumAlgorithm): S3Error {
  return new S3Error(
    "InvalidRequest",
    `Checksum Type mismatch occurred, expected checksum Type: ${wanted.toLowerCase()}`,
  );
}

function readContentMd5(value: string | undefined): Buffer | undefined {
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, "base64");
  if (bytes.length !== 16 || bytes.toString("base64") !== value.trim()) throw new S3Error("InvalidDigest");
  return bytes;
}

function readContentSha256(value: string): string | undefined {
  if (/^(UNSIGNED-PAYLOAD|STREAMING-(UNSIGNED-PAYLOAD-TRAILER|AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?))$/.test(value))
    return undefined;
  if (value.startsWith("STREAMING-")) throw notImplemented(`the payload option ${value}`);
  if (!/^[\da-f]{64}$/.test(value))
    throw new S3Error("InvalidArgument", "x-amz-content-sha256 must be a SHA-256 or a payload option");
  return value;
}
