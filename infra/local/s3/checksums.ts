import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { CRC_POLYNOMIALS, combineCrc, crc32c, crc64nvme } from "./crc.ts";
import { notImplemented, S3Error } from "./errors.ts";

/** An incremental digest. */
export interface Digest {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

/** The checksum algorithms of S3; a request names one as `x-amz-checksum-<lower case name>`. */
const DIGESTS = {
  CRC32: () => crcDigest(4, (bytes, value) => BigInt(crc32(bytes, Number(value)))),
  CRC32C: () => crcDigest(4, (bytes, value) => BigInt(crc32c(bytes, Number(value)))),
  CRC64NVME: () => crcDigest(8, crc64nvme),
  SHA1: () => createHash("sha1"),
  SHA256: () => createHash("sha256"),
} as const satisfies Record<string, () => Digest>;

const DIGEST_LENGTHS: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

export type ChecksumAlgorithm = keyof typeof DIGESTS;

export const CHECKSUM_ALGORITHMS = Object.keys(DIGESTS) as readonly ChecksumAlgorithm[];

export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; a composite checksum ends with the number of parts, such as "-3". */
  readonly value: string;
}

export function createDigest(algorithm: ChecksumAlgorithm): Digest {
  return DIGESTS[algorithm]();
}

export function checksumAlgorithm(name: string): ChecksumAlgorithm {
  const upper = name.toUpperCase();
  if (!Object.hasOwn(DIGESTS, upper)) throw notImplemented(`the checksum algorithm ${name}`);
  return upper as ChecksumAlgorithm;
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The checksum in the headers, the trailer or an XML element; at most one is allowed. */
export function readChecksum(headers: ReadonlyMap<string, string>): Checksum | undefined {
  const given = [...headers].filter(([name]) => /^x-amz-checksum-(?!type$|mode$|algorithm$)/.test(name));
  const [first, second] = given;
  if (!first) return undefined;
  if (second) throw new S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple were given.");
  const algorithm = checksumAlgorithm(first[0].slice("x-amz-checksum-".length));
  return { algorithm, value: first[1].trim() };
}

export function assertChecksumFormat({ algorithm, value }: Checksum): void {
  const bytes = Buffer.from(value, "base64");
  if (bytes.length !== DIGEST_LENGTHS[algorithm] || bytes.toString("base64") !== value) {
    throw new S3Error("InvalidRequest", `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
}

/** The checksum of a multipart object, computed from the checksums of its parts. */
export function checksumOfParts(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly { readonly value: string; readonly size: number }[],
): string {
  if (type === "COMPOSITE") {
    const digest = createDigest(algorithm);
    for (const part of parts) digest.update(Buffer.from(part.value, "base64"));
    return `${digest.digest().toString("base64")}-${parts.length}`;
  }
  if (!isCrc(algorithm))
    throw new S3Error("InvalidRequest", `${algorithm} has no FULL_OBJECT checksum of a multipart upload.`);
  let total = 0n;
  for (const part of parts) {
    total = combineCrc(algorithm, total, BigInt(`0x${Buffer.from(part.value, "base64").toString("hex")}`), part.size);
  }
  return encodeCrc(total, DIGEST_LENGTHS[algorithm]).toString("base64");
}

export function isCrc(algorithm: ChecksumAlgorithm): algorithm is keyof typeof CRC_POLYNOMIALS {
  return Object.hasOwn(CRC_POLYNOMIALS, algorithm);
}

// --- utils ---

function crcDigest(length: number, step: (bytes: Uint8Array, value: bigint) => bigint): Digest {
  let value = 0n;
  return {
    update(bytes) {
      value = step(bytes, value);
    },
    digest: () => encodeCrc(value, length),
  };
}

function encodeCrc(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(length * 2, "0"), "hex");
}
