import { createHash } from "node:crypto";
import { type Checksum, checksumAlgorithm, checksumOfParts, readChecksum } from "./checksums.ts";
import { notImplemented, S3Error } from "./errors.ts";
import { readXml, receiveXml } from "./receive.ts";
import { readInteger, type S3Request } from "./request.ts";
import type { StoredObject } from "./store.ts";
import type { Part, Upload } from "./uploads.ts";
import { childText, type XmlElement } from "./xml.ts";

const MIN_PART_SIZE = 5 * 1024 ** 2;

interface CompletedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
}

export interface Completion {
  readonly parts: readonly CompletedPart[];
  /** Checksum of the whole object, if the client sent one. */
  readonly checksum: string | undefined;
  readonly size: number | undefined;
}

/** A CompleteMultipartUpload request: the parts and the expected result. */
export async function readCompletion(request: S3Request, upload: Upload): Promise<Completion> {
  const checksum = readChecksum(request.headers);
  if (checksum && checksum.algorithm !== upload.algorithm) {
    throw new S3Error(
      "InvalidRequest",
      `The upload was not created with the checksum algorithm ${checksum.algorithm}.`,
    );
  }
  const type = request.headers.get("x-amz-checksum-type");
  if (type !== undefined && type.toUpperCase() !== upload.type) {
    throw new S3Error("InvalidRequest", `The upload was not created with the checksum type ${type}.`);
  }
  const size = request.headers.has("x-amz-mp-object-size")
    ? readInteger(request.headers, "x-amz-mp-object-size", 0)
    : undefined;
  const document = await receiveXml(withoutObjectChecksum(request));
  const listed = document.children.filter((child) => child.name === "Part");
  if (document.name !== "CompleteMultipartUpload" || listed.length === 0) throw new S3Error("MalformedXML");
  return { parts: listed.map((part) => readXml(() => readPart(part))), checksum: checksum?.value, size };
}

/** Checks the list against the uploaded parts and assembles the object without copying bytes. */
export function assembleObject(upload: Upload, uploaded: readonly Part[], completion: Completion): StoredObject {
  const byNumber = new Map(uploaded.map((part) => [part.number, part]));
  const { parts: listed } = completion;
  if (listed.some((part, index) => index > 0 && part.number <= (listed[index - 1]?.number ?? 0))) {
    throw new S3Error("InvalidPartOrder");
  }
  const parts = listed.map((part) => matchingPart(part, byNumber.get(part.number), upload));
  if (parts.slice(0, -1).some((part) => part.segment.size < MIN_PART_SIZE)) throw new S3Error("EntityTooSmall");
  const segments = parts.map((part) => part.segment);
  const size = segments.reduce((total, segment) => total + segment.size, 0);
  if (completion.size !== undefined && completion.size !== size) {
    throw new S3Error(
      "InvalidRequest",
      `The parts are ${size} bytes, not the ${completion.size} of x-amz-mp-object-size.`,
    );
  }
  const checksum = objectChecksum(upload, parts);
  // Clients send a composite checksum with the number of parts or (minio-go) without it.
  if (
    completion.checksum !== undefined &&
    completion.checksum.replace(/-\d+$/, "") !== checksum?.value.replace(/-\d+$/, "")
  ) {
    throw new S3Error("BadDigest");
  }
  return {
    key: upload.key,
    size,
    etag: multipartEtag(parts),
    modified: Date.now(),
    segments,
    headers: upload.headers,
    metadata: upload.metadata,
    ...(checksum && { checksum }),
  };
}

// --- utils ---

function readPart(source: XmlElement): CompletedPart {
  const unknown = source.children.find((child) => !/^(PartNumber|ETag|Checksum\w+)$/.test(child.name));
  if (unknown) throw notImplemented(`${unknown.name} of a Part`);
  const given = source.children.find((child) => child.name.startsWith("Checksum"));
  const checksum = given && {
    algorithm: checksumAlgorithm(given.name.slice("Checksum".length)),
    value: given.text.trim(),
  };
  const [number, etag] = [Number(childText(source, "PartNumber")), childText(source, "ETag")];
  if (!Number.isInteger(number) || number < 1 || etag === undefined) throw new S3Error("MalformedXML");
  return { number, etag: etag.trim().replace(/^"(.*)"$/, "$1"), checksum };
}

function matchingPart(listed: CompletedPart, part: Part | undefined, upload: Upload): Part {
  const sameChecksum =
    listed.checksum === undefined ||
    (listed.checksum.algorithm === part?.checksum?.algorithm && listed.checksum.value === part.checksum.value);
  const matches = part?.etag === listed.etag && sameChecksum;
  if (!part || !matches) throw new S3Error("InvalidPart");
  if (upload.type === "COMPOSITE" && listed.checksum === undefined) {
    const message = `The upload was created using a ${upload.algorithm?.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${listed.number} in the request.`;
    throw new S3Error("InvalidRequest", message);
  }
  return part;
}

function objectChecksum({ algorithm, type }: Upload, parts: readonly Part[]): StoredObject["checksum"] {
  if (!algorithm || !type) return undefined;
  const checksums = parts.map(({ checksum, segment }) => ({ value: checksum?.value ?? "", size: segment.size }));
  return { algorithm, type, value: checksumOfParts(algorithm, type, checksums) };
}

/** The MD5 of the MD5s of the parts, and their number. */
function multipartEtag(parts: readonly Part[]): string {
  const md5 = createHash("md5");
  for (const part of parts) md5.update(Buffer.from(part.etag, "hex"));
  return `${md5.digest("hex")}-${parts.length}`;
}

/** Here a checksum header applies to the object, not to the XML document. */
function withoutObjectChecksum(request: S3Request): S3Request {
  const headers = [...request.headers].filter(([name]) => !/^x-amz-(checksum-|sdk-checksum-)/.test(name));
  return { ...request, headers: new Map(headers) };
}
