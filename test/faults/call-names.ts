/** The parts of a request that its name needs. */
export interface CallParts {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export type Service = "S3" | "SQS" | "DefectDojo";

/** A request's name: the same for the same call of another run. */
export const CALL_NAMES: Readonly<Record<Service, (call: CallParts) => string>> = {
  S3: ({ method, url, headers }) => {
    const { pathname, searchParams } = new URL(url, "http://s3");
    // State objects are named by hashes of ids and URLs, which differ between runs, so their folder is used.
    const name =
      decodeURIComponent(pathname)
        .replace(/([^/]+)\/(?:[^/]{2}\/)?[0-9a-f]{32,}\.json$/, "$1-entry.json")
        .split("/")
        .at(-1) ?? "";
    if (headers["x-amz-copy-source"] !== undefined) return `COPY to ${name}`;
    if (searchParams.has("uploads")) return `CreateMultipartUpload ${name}`;
    if (searchParams.has("partNumber")) return `UploadPart ${searchParams.get("partNumber")} of ${name}`;
    if (searchParams.has("uploadId")) return `${method === "POST" ? "Complete" : "Abort"}MultipartUpload ${name}`;
    return `${method} ${name}`;
  },
  SQS: ({ headers, body }) => {
    const action = String(headers["x-amz-target"]).split(".").at(-1);
    const { QueueUrl = "" } = JSON.parse(body.toString("utf8") || "{}") as { QueueUrl?: string };
    return `${action} ${QueueUrl.includes("dlq") ? "dead-letter queue" : "queue"}`;
  },
  DefectDojo: ({ method, url }) => {
    const { pathname, searchParams } = new URL(url, "http://dojo");
    const path = pathname.replace(/^\/api\/v2/, "").replaceAll(/\/\d+\//g, "/:id/");
    const names = [...new Set(searchParams.keys())].sort();
    return `${method} ${path}${names.length > 0 ? `?${names.join("&")}` : ""}`;
  },
};
