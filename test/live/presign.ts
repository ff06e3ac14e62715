import { createHash, createHmac } from "node:crypto";
import type { Credentials } from "../contract/aws.ts";

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/**
 * A link to an object as the operator puts it into a Scan's status: signature version 4 in the query, good for seven days.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export function presignedGet(endpoint: string, bucket: string, key: string, credentials: Credentials): string {
  const url = new URL(endpoint);
  url.pathname = `/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const query = new URLSearchParams({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${credentials.accessKeyId}/${scope}`,
    "X-Amz-Date": time,
    "X-Amz-Expires": "604800",
    "X-Amz-SignedHeaders": "host",
  });
  const canonical = ["GET", url.pathname, query.toString(), `host:${url.host}`, "", "host", "UNSIGNED-PAYLOAD"];
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical.join("\n"))].join("\n");
  const signingKey = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  query.set("X-Amz-Signature", hmac(signingKey, toSign).toString("hex"));
  url.search = query.toString();
  return url.href;
}
