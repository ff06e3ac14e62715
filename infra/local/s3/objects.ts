import { transaction } from "../sqlite.ts";
import { existingBucket } from "./buckets.ts";
import { checksumHeader } from "./checksums.ts";
import { assertCopySourceConditions, assertDeleteCondition } from "./conditions.ts";
import { type S3Context, type S3Handler, xmlResponse } from "./context.ts";
import { notImplemented, S3Error } from "./errors.ts";
import { assertVersion, existingObject } from "./read.ts";
import { readXml, receiveBody, receiveXml } from "./receive.ts";
import { readMetadata, requireBucket, requireKey, type S3Request } from "./request.ts";
import type { StoredObject } from "./store.ts";
import { commitObject, readKeptHeaders } from "./write.ts";
import { childText, element, optionalElement, type XmlElement, xmlDocument } from "./xml.ts";

const MAX_DELETES = 1000;

export const putObject: S3Handler = async (context, request) => {
  const [bucket, key] = [requireBucket(request), requireKey(request)];
  existingBucket(context, bucket);
  const [headers, metadata] = [readKeptHeaders(request), readMetadata(request)];
  const { segment, md5, checksum } = await receiveBody(request, context.bodies);
  const object: StoredObject = {
    key,
    size: segment.size,
    etag: md5.toString("hex"),
    modified: Date.now(),
    segments: [segment],
    headers,
    metadata,
    ...(checksum && { checksum: { ...checksum, type: "FULL_OBJECT" } }),
  };
  const eventName = "s3:ObjectCreated:Put";
  await commitObject(context, request, { bucket, object, eventName, removeOnFailure: object.segments });
  return {
    status: 200,
    headers: {
      etag: `"${object.etag}"`,
      ...(checksum && { [checksumHeader(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": "FULL_OBJECT" }),
    },
  };
};

/** A copy keeps the ETag and checksum of its source, also of a multipart source; S3 would recompute the ETag. */
export const copyObject: S3Handler = async (context, request) => {
  const [bucket, key] = [requireBucket(request), requireKey(request)];
  existingBucket(context, bucket);
  const sourceName = copySource(request);
  const source = existingObject(context, sourceName.bucket, sourceName.key);
  assertVersion(sourceName.versionId);
  assertCopySourceConditions(request.headers, source);
  const replace = metadataDirective(request) === "REPLACE";
  if (!replace && bucket === sourceName.bucket && key === sourceName.key) {
    const message =
      "This copy request is illegal because it is trying to copy an object to itself without changing its metadata.";
    throw new S3Error("InvalidRequest", message);
  }
  const changed = replace ? { headers: readKeptHeaders(request), metadata: readMetadata(request) } : {};
  const segments = await context.bodies.duplicate(source.segments);
  const object: StoredObject = { ...source, key, modified: Date.now(), segments, ...changed };
  const eventName = "s3:ObjectCreated:Copy";
  await commitObject(context, request, { bucket, object, eventName, removeOnFailure: segments });
  return xmlResponse(
    xmlDocument(
      element("CopyObjectResult", [
        element("LastModified", new Date(object.modified).toISOString()),
        element("ETag", `"${object.etag}"`),
      ]),
    ),
  );
};

export const deleteObject: S3Handler = async (context, request) => {
  const [bucket, key] = [requireBucket(request), requireKey(request)];
  existingBucket(context, bucket);
  assertVersion(request.query.get("versionId"));
  await remove(context, bucket, key, request.headers.get("if-match"));
  return { status: 204 };
};

export const deleteObjects: S3Handler = async (context, request) => {
  const bucket = requireBucket(request);
  existingBucket(context, bucket);
  const document = await receiveXml(request);
  const entries = document.children.filter((child) => child.name === "Object");
  if (document.name !== "Delete" || entries.length === 0 || entries.length > MAX_DELETES)
    throw new S3Error("MalformedXML");
  const quiet = readXml(() => childText(document, "Quiet"))?.trim() === "true";
  const wanted = entries.map((entry) => readXml(() => readDelete(entry)));
  const results: string[] = [];
  for (const { key, versionId, etag } of wanted) {
    try {
      assertVersion(versionId);
      await remove(context, bucket, key, etag);
      if (!quiet) results.push(element("Deleted", [element("Key", key), optionalElement("VersionId", versionId)]));
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      results.push(
        element("Error", [element("Key", key), element("Code", error.code), element("Message", error.message)]),
      );
    }
  }
  return xmlResponse(xmlDocument(element("DeleteResult", results)));
};

// --- utils ---

async function remove(context: S3Context, bucket: string, key: string, etag: string | undefined): Promise<void> {
  const removed = transaction(context.database, () => {
    const current = context.objects.get(bucket, key);
    assertDeleteCondition(etag, current);
    context.objects.delete(bucket, key);
    return current;
  });
  if (removed) await context.bodies.remove(removed.segments);
}

function readDelete(entry: XmlElement): { key: string; versionId: string | undefined; etag: string | undefined } {
  const unknown = entry.children.find((child) => !/^(Key|VersionId|ETag)$/.test(child.name));
  if (unknown) throw notImplemented(`${unknown.name} in a Delete`);
  const key = childText(entry, "Key");
  if (key === undefined || key === "") throw new S3Error("MalformedXML");
  return { key, versionId: childText(entry, "VersionId"), etag: childText(entry, "ETag") };
}

/** `[/]bucket/key[?versionId=…]`, percent-encoded. */
function copySource({ headers }: S3Request): { bucket: string; key: string; versionId: string | undefined } {
  const [path = "", versionId] = (headers.get("x-amz-copy-source") ?? "").split("?versionId=");
  const [, bucket, key] = /^\/?([^/]+)\/(.+)$/s.exec(decodeSource(path)) ?? [];
  if (bucket === undefined || key === undefined) {
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  return { bucket, key, versionId };
}

function decodeSource(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new S3Error("InvalidArgument", "The copy source is not in percent encoding", { cause: error });
  }
}

function metadataDirective({ headers }: S3Request): "COPY" | "REPLACE" {
  const directive = headers.get("x-amz-metadata-directive") ?? "COPY";
  if (directive !== "COPY" && directive !== "REPLACE")
    throw new S3Error("InvalidArgument", "Unknown metadata directive.");
  return directive;
}
