import { describeError, RelayError } from "../../lib/errors.ts";
import { within } from "../../lib/util/within.ts";

/** A request without a response in this time is lost. */
const TIMEOUT_MS = 30_000;

/** The response, or an error of ours; a retry may help after 409, 429 and 5xx, and without any response. */
export async function asked<T>(what: string, request: () => Promise<T>): Promise<T> {
  try {
    return await within(TIMEOUT_MS, request(), () => {
      throw new Error(`no answer for ${TIMEOUT_MS / 1000} s`);
    });
  } catch (cause) {
    throw clusterError(what, cause);
  }
}

/** What went wrong, with the API's own words; neither headers nor the request: they carry the token. */
export function clusterError(what: string, cause: unknown): RelayError {
  if (cause instanceof RelayError) return cause;
  const status = statusOf(cause);
  if (status === undefined) {
    return new RelayError("cluster-unavailable", `${what}: ${describeError(cause)}`, { object: what, cause });
  }
  const mayHeal = status === 409 || status === 410 || status === 429 || status >= 500;
  return new RelayError(
    mayHeal ? "cluster-unavailable" : "cluster-refused",
    `${what}: HTTP ${status}${messageOf(cause)}`,
    { object: what, status },
  );
}

/** Of a request `code`, of a watch `statusCode`. A DOMException has a `code` too, which is no status. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  return [code, statusCode].find((one): one is number => typeof one === "number" && one >= 100);
}

/** The message of a Kubernetes `Status`, which comes parsed or as text. */
function messageOf(error: unknown): string {
  let body: unknown = error instanceof Error && "body" in error ? error.body : undefined;
  try {
    if (typeof body === "string") body = JSON.parse(body);
  } catch {
    return "";
  }
  const message = typeof body === "object" && body !== null && "message" in body ? body.message : undefined;
  return typeof message === "string" ? `: ${message.slice(0, 500)}` : "";
}
