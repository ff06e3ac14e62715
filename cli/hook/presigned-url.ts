import { RelayError } from "../../lib/errors.ts";

import { nameOf, type ObjectRef } from "../../lib/model/object-keys.ts";
import { rememberSecrets } from "../../lib/util/secrets.ts";

/** A URL of one object, with its permission in the query. The query is a secret: only {@link PresignedUrl.where} is ever shown. */
export interface PresignedUrl {
  readonly url: URL;
  /** The URL without its query, for people. */
  readonly where: string;
  /** What it points to: the host as bucket, the decoded path as key. The same for every signature. */
  readonly ref: ObjectRef;
  /** The last part of the path. */
  readonly name: string;
  readonly expiresAt: Date | undefined;
}

/** The parameters of a signature: version 4, Google's, version 2. */
const SECRET_PARAMETERS = ["X-Amz-Signature", "X-Amz-Security-Token", "X-Goog-Signature", "Signature"];

/**
 * @param what which of the URLs it is, for the error
 * @throws RelayError `config-invalid`
 */
export function parsePresignedUrl(text: string, what: string): PresignedUrl {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new RelayError("config-invalid", `${what} is not an http(s) URL`, { object: what });
  }
  rememberSecrets(SECRET_PARAMETERS.map((name) => url.searchParams.get(name) ?? undefined));
  const key = decode(url.pathname.slice(1));
  return {
    url,
    where: `${url.origin}${url.pathname}`,
    ref: { bucket: url.host, key },
    name: nameOf(key),
    expiresAt: expiry(url.searchParams),
  };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * Signature version 4 (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html), Google's of the same form, and version 2's
 * seconds since the epoch.
 */
function expiry(query: URLSearchParams): Date | undefined {
  for (const vendor of ["X-Amz", "X-Goog"]) {
    const signed = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get(`${vendor}-Date`) ?? "");
    const seconds = Number(query.get(`${vendor}-Expires`) ?? Number.NaN);
    if (signed !== null && Number.isFinite(seconds)) {
      const [, year, month, day, hour, minute, second] = signed.map(Number);
      return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, (second ?? 0) + seconds));
    }
  }
  const epoch = Number(query.get("Expires") ?? Number.NaN);
  return Number.isFinite(epoch) ? new Date(epoch * 1000) : undefined;
}
