import { transaction } from "../sqlite.ts";
import { type S3Context, type S3Handler, xmlResponse } from "./context.ts";
import { notImplemented, S3Error } from "./errors.ts";
import { readXml, receiveXml } from "./receive.ts";
import { requireBucket, type S3Request } from "./request.ts";
import { childText, element, xmlDocument } from "./xml.ts";

export const OWNER = element("Owner", [element("ID", "dojo-relay"), element("DisplayName", "dojo-relay")]);

const DEFAULT_LOCATION = "us-east-1";
const BUCKET_NAME = /^(?!\d{1,3}(\.\d{1,3}){3}$)(?!xn--)(?!.*\.\.)[a-z\d][a-z\d.-]{1,61}[a-z\d]$/;

interface Bucket {
  readonly name: string;
  readonly created: number;
  readonly location: string;
}

/** The bucket of the request, which must exist. */
export function existingBucket(context: S3Context, name: string): Bucket {
  const row = context.database.prepare("SELECT name, created, location FROM buckets WHERE name = ?").get(name);
  if (!row) throw new S3Error("NoSuchBucket");
  return row as unknown as Bucket;
}

export const listBuckets: S3Handler = ({ database }) => {
  const rows = database
    .prepare("SELECT name, created, location FROM buckets ORDER BY name")
    .all() as unknown as Bucket[];
  const buckets = rows.map(({ name, created }) =>
    element("Bucket", [element("Name", name), element("CreationDate", new Date(created).toISOString())]),
  );
  return xmlResponse(xmlDocument(element("ListAllMyBucketsResult", [OWNER, element("Buckets", buckets)])));
};

export const createBucket: S3Handler = async ({ database }, request) => {
  const name = requireBucket(request);
  if (!BUCKET_NAME.test(name)) throw new S3Error("InvalidBucketName");
  const location = await readLocation(request);
  const { changes } = database
    .prepare("INSERT OR IGNORE INTO buckets (name, created, location, notification) VALUES (?, ?, ?, '[]')")
    .run(name, Date.now(), location);
  if (changes === 0) throw new S3Error("BucketAlreadyOwnedByYou");
  return { status: 200, headers: { location: `/${name}` } };
};

export const headBucket: S3Handler = (context, request) => {
  const { location } = existingBucket(context, requireBucket(request));
  return { status: 200, headers: { "x-amz-bucket-region": location } };
};

export const deleteBucket: S3Handler = (context, request) => {
  const { name } = existingBucket(context, requireBucket(request));
  return transaction(context.database, () => {
    const upload = context.database.prepare("SELECT 1 FROM uploads WHERE bucket = ? LIMIT 1").get(name);
    if (upload || context.objects.hasAny(name)) throw new S3Error("BucketNotEmpty");
    context.database.prepare("DELETE FROM buckets WHERE name = ?").run(name);
    return { status: 204 };
  });
};

export const getBucketLocation: S3Handler = (context, request) => {
  const { location } = existingBucket(context, requireBucket(request));
  return xmlResponse(xmlDocument(element("LocationConstraint", location === DEFAULT_LOCATION ? "" : location)));
};

async function readLocation(request: S3Request): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) === 0 && !request.headers.has("transfer-encoding")) {
    return DEFAULT_LOCATION;
  }
  const document = await receiveXml(request);
  if (document.name !== "CreateBucketConfiguration") throw new S3Error("MalformedXML");
  const other = document.children.find((child) => child.name !== "LocationConstraint");
  if (other) throw notImplemented(`${other.name} of a new bucket`);
  return readXml(() => childText(document, "LocationConstraint")?.trim()) || DEFAULT_LOCATION;
}
