import { transaction } from "../sqlite.ts";
import { existingBucket } from "./buckets.ts";
import { type ChecksumType, checksumAlgorithm, checksumHeader, isCrc } from "./checksums.ts";
import { assembleObject, readCompletion } from "./complete.ts";
import { type S3Handler, xmlResponse } from "./context.ts";
import { S3Error } from "./errors.ts";
import { receiveBody } from "./receive.ts";
import { readInteger, readMetadata, requireBucket, requireKey, type S3Request } from "./request.ts";
import { createUpload, deleteUpload, existingUpload, listParts, type Part, putPart, type Upload } from "./uploads.ts";
import { commitObject, readKeptHeaders } from "./write.ts";
import { element, optionalElement, xmlDocument } from "./xml.ts";

const MAX_PART_NUMBER = 10_000;
const MAX_PARTS_LISTED = 1000;

export const createMultipartUpload: S3Handler = (context, request) => {
  const [bucket, key] = [requireBucket(request), requireKey(request)];
  existingBucket(context, bucket);
  const checksum = wantedChecksum(request);
  const attributes = { headers: readKeptHeaders(request), metadata: readMetadata(request) };
  const id = createUpload(context.database, { bucket, key, ...attributes, ...checksum });
  return xmlResponse(
    xmlDocument(
      element("InitiateMultipartUploadResult", [
        element("Bucket", bucket),
        element("Key", key),
        element("UploadId", id),
      ]),
    ),
    checksum.algorithm && { "x-amz-checksum-algorithm": checksum.algorithm, "x-amz-checksum-type": checksum.type },
  );
};

export const uploadPart: S3Handler = async (context, request) => {
  const upload = requestedUpload(request, context);
  const number = readInteger(request.query, "partNumber", 0);
  if (number < 1 || number > MAX_PART_NUMBER) {
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  }
  const { segment, md5, checksum } = await receiveBody(request, context.bodies, upload.algorithm);
  const part: Part = { number, segment, etag: md5.toString("hex"), checksum, modified: Date.now() };
  let replaced: Part | undefined;
  try {
    replaced = transaction(context.database, () => {
      // The upload may have been completed or aborted while the part arrived.
      existingUpload(context.database, upload.id, upload.bucket, upload.key);
      return putPart(context.database, upload.id, part);
    });
  } catch (error) {
    await context.bodies.remove([segment]);
    throw error;
  }
  if (replaced) await context.bodies.remove([replaced.segment]);
  const headers = { etag: `"${part.etag}"`, ...(checksum && { [checksumHeader(checksum.algorithm)]: checksum.value }) };
  return { status: 200, headers };
};

export const completeMultipartUpload: S3Handler = async (context, request) => {
  const completion = await readCompletion(request, requestedUpload(request, context));
  // The upload may have been completed or aborted while the list of parts arrived.
  const upload = requestedUpload(request, context);
  const { database } = context;
  const parts = listParts(database, upload.id);
  const object = assembleObject(upload, parts, completion);
  const used = new Set(object.segments.map((segment) => segment.id));
  await commitObject(context, request, {
    bucket: upload.bucket,
    object,
    eventName: "s3:ObjectCreated:CompleteMultipartUpload",
    removeOnFailure: [],
    alsoInTransaction: () => deleteUpload(database, upload.id),
  });
  await context.bodies.remove(parts.map((part) => part.segment).filter((segment) => !used.has(segment.id)));
  const { checksum } = object;
  return xmlResponse(
    xmlDocument(
      element("CompleteMultipartUploadResult", [
        element("Location", `${context.endpoint()}/${upload.bucket}/${encodeURIComponent(upload.key)}`),
        element("Bucket", upload.bucket),
        element("Key", upload.key),
        element("ETag", `"${object.etag}"`),
        ...(checksum
          ? [element(`Checksum${checksum.algorithm}`, checksum.value), element("ChecksumType", checksum.type)]
          : []),
      ]),
    ),
  );
};

export const abortMultipartUpload: S3Handler = async (context, request) => {
  const upload = requestedUpload(request, context);
  const parts = transaction(context.database, () => {
    const listed = listParts(context.database, upload.id);
    deleteUpload(context.database, upload.id);
    return listed;
  });
  await context.bodies.remove(parts.map((part) => part.segment));
  return { status: 204 };
};

export const listUploadParts: S3Handler = (context, request) => {
  const upload = requestedUpload(request, context);
  const marker = readInteger(request.query, "part-number-marker", 0);
  const limit = Math.min(readInteger(request.query, "max-parts", MAX_PARTS_LISTED), MAX_PARTS_LISTED);
  const found = listParts(context.database, upload.id, marker, limit + 1);
  const parts = found.slice(0, limit);
  const truncated = limit > 0 && found.length > limit;
  return xmlResponse(
    xmlDocument(
      element("ListPartsResult", [
        element("Bucket", upload.bucket),
        element("Key", upload.key),
        element("UploadId", upload.id),
        element("StorageClass", "STANDARD"),
        element("PartNumberMarker", String(marker)),
        optionalElement("NextPartNumberMarker", truncated ? String(parts.at(-1)?.number) : undefined),
        element("MaxParts", String(limit)),
        element("IsTruncated", String(truncated)),
        optionalElement("ChecksumAlgorithm", upload.algorithm),
        optionalElement("ChecksumType", upload.type),
        ...parts.map((part) => partElement(part)),
      ]),
    ),
  );
};

// --- utils ---

function requestedUpload(request: S3Request, context: Parameters<S3Handler>[0]): Upload {
  const [bucket, key] = [requireBucket(request), requireKey(request)];
  existingBucket(context, bucket);
  return existingUpload(context.database, request.query.get("uploadId"), bucket, key);
}

function partElement({ number, segment, etag, checksum, modified }: Part): string {
  return element("Part", [
    element("PartNumber", String(number)),
    element("LastModified", new Date(modified).toISOString()),
    element("ETag", `"${etag}"`),
    element("Size", String(segment.size)),
    checksum ? element(`Checksum${checksum.algorithm}`, checksum.value) : "",
  ]);
}

/** The checksum types of each algorithm: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
function wantedChecksum({ headers }: S3Request) {
  const name = headers.get("x-amz-checksum-algorithm");
  const type = headers.get("x-amz-checksum-type")?.toUpperCase();
  if (name === undefined) {
    if (type !== undefined) throw new S3Error("InvalidRequest", "x-amz-checksum-type needs x-amz-checksum-algorithm.");
    return {};
  }
  const algorithm = checksumAlgorithm(name);
  const chosen = type ?? (algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE");
  const possible = chosen === "FULL_OBJECT" ? isCrc(algorithm) : chosen === "COMPOSITE" && algorithm !== "CRC64NVME";
  if (!possible) throw new S3Error("InvalidRequest", `The ${chosen} checksum type cannot be used with ${algorithm}.`);
  return { algorithm, type: chosen as ChecksumType };
}
