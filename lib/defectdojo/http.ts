import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RelayError, toRelayError } from "../errors.ts";
import { backoff } from "../util/backoff.ts";
import { systemClock } from "../util/clock.ts";
import { readBytes } from "../util/read-bytes.ts";
import { rememberSecrets } from "../util/secrets.ts";
import { endOfWork } from "../util/until.ts";
import { connectionError, statusError } from "./errors.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Fields and one file, sent as `multipart/form-data` with a Content-Length. */
export interface Multipart {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly file: { readonly path: string; readonly name: string };
}

export interface RequestOptions {
  readonly query?: readonly (readonly [name: string, value: string])[];
  readonly json?: unknown;
  readonly multipart?: Multipart;
  /** Milliseconds until the response must be complete. */
  readonly timeoutMs?: number;
  /** Statuses besides 2xx that are not errors. */
  readonly expect?: readonly number[];
}

export interface Answer {
  readonly status: number;
  /** Parsed, or undefined where the answer is empty or not JSON. */
  readonly body: unknown;
}

export interface Transport {
  /** @param path below `/api/v2/`, with its trailing slash */
  request(method: Method, path: string, options?: RequestOptions): Promise<Answer>;
}

export interface TransportOptions {
  readonly baseUrl: string;
  readonly apiKey: ApiKeySource;
  readonly timeoutMs: number;
  /** Sent with every request besides the client's own, for a gateway in front of DefectDojo. Never logged, never sent elsewhere. */
  readonly headers?: HeaderSource;
  /** Where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are read. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
}

/** Called for every request; the provider caches the key and fetches it again when one was refused. */
export type ApiKeySource = (refused?: string) => Promise<string>;

/** Called for every request; the provider caches them. */
export type HeaderSource = () => Promise<Readonly<Record<string, string>>>;

/** Idempotent requests. */
const REPEATABLE = new Set<Method>(["GET", "PATCH"]);
const TRIES = 3;
const FIRST_WAIT_MS = 600;
const LONGEST_WAIT_MS = 10_000;
/** Whole responses are in memory, several at once; pages of findings are far smaller, unless texts are huge. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

/**
 * DefectDojo's API over Node's own HTTP client: connections kept alive, proxies by the usual variables, no redirect followed
 * (so the key reaches nobody else), TLS verified. GET and PATCH are retried when that may help, honouring
 * `Retry-After`; nothing else is ever sent twice.
 */
export function httpTransport({ baseUrl, apiKey, headers: gate, timeoutMs, proxyEnv }: TransportOptions): Transport {
  const base = new URL(`${baseUrl}/api/v2/`);
  const client = base.protocol === "https:" ? https : http;
  const proxy = proxyEnv === undefined ? {} : { proxyEnv };
  const kept = new client.Agent({ keepAlive: true, maxSockets: 64, ...proxy });
  // A request that must not be repeated gets a fresh connection: the server may close a kept one just then, with an unknown outcome.
  const fresh = new client.Agent({ keepAlive: false, ...proxy });

  const once = async (method: Method, path: string, options: RequestOptions, renewed?: string): Promise<Answer> => {
    const url = new URL(path, base);
    url.search = encodeQuery(options.query ?? []);
    const what = `${method} ${url.pathname}`;
    const sent = Promise.all([encodeBody(options), renewed ?? apiKey(), gate?.()]);
    const [body, key, forGate] = await sent.catch((error: unknown) => {
      throw toRelayError(error, what); // nothing was sent
    });
    rememberSecrets([key, ...Object.values(forGate ?? {})]);
    const headers = { ...forGate, accept: "application/json", authorization: `Token ${key}`, ...body?.headers };
    try {
      const signal = within(options.timeoutMs ?? timeoutMs);
      const agent = REPEATABLE.has(method) ? kept : fresh;
      const { response, text } = await exchange(
        client.request(url, { method, headers, agent, signal }),
        body?.stream,
        what,
      );
      const status = response.statusCode ?? 0;
      const answer = parse(text);
      if ((status >= 200 && status < 300) || isExpected(status, answer, options)) return { status, body: answer };
      if (renewed === undefined && saysUnknownToken(status, answer)) {
        const newer = await apiKey(key);
        if (newer !== key) return await once(method, path, options, newer); // it was rotated; the old one had no effect
      }
      throw statusError({ what, status, headers: response.headers, body: answer, url });
    } catch (error) {
      throw connectionError(what, error);
    }
  };

  return {
    request: async (method, path, options = {}) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(method, path, options);
        } catch (error) {
          const wait = REPEATABLE.has(method) && attempt < TRIES ? retryWait(error, attempt) : undefined;
          if (wait === undefined) throw error;
          await systemClock.sleep(wait);
        }
      }
    },
  };
}

/** The time limit of a response, which also ends with the work that needs it. */
function within(milliseconds: number): AbortSignal {
  const late = AbortSignal.timeout(milliseconds);
  const end = endOfWork();
  return end === undefined ? late : AbortSignal.any([late, end]);
}

/** An expected status counts if the API itself sent it. DefectDojo responds to an unknown path with a page, so 404 always counts. */
function isExpected(status: number, answer: unknown, { expect }: RequestOptions): boolean {
  return expect?.includes(status) === true && (status === 404 || answer !== undefined);
}

/** Django REST framework's response to an unknown token, before it checks anything else (recorded: 403). */
function saysUnknownToken(status: number, body: unknown): boolean {
  return (status === 401 || status === 403) && (body as { detail?: unknown } | undefined)?.detail === "Invalid token.";
}

/** Keeps commas: lists of ids would be three times as long otherwise. */
function encodeQuery(query: NonNullable<RequestOptions["query"]>): string {
  return query.map((pair) => pair.map((part) => encodeURIComponent(part).replaceAll("%2C", ",")).join("=")).join("&");
}

/** Milliseconds before the next try, or undefined when a quick retry does not help. */
function retryWait(error: unknown, attempt: number): number | undefined {
  const failure = connectionError("", error);
  if (failure.errorClass !== "transient") return undefined;
  const asked = failure.retryAfterSeconds;
  const wait = asked === undefined ? backoff(FIRST_WAIT_MS, attempt) : asked * 1000;
  return wait <= LONGEST_WAIT_MS ? wait : undefined;
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One request and its whole response. */
async function exchange(
  request: http.ClientRequest,
  body: Readable | undefined,
  what: string,
): Promise<{ response: http.IncomingMessage; text: string }> {
  const answered = new Promise<{ response: http.IncomingMessage; text: string }>((resolve, reject) => {
    request.on("error", reject); // may fire more than once, as when a refused upload is cut off
    request.once("response", (response) => {
      readText(response, what).then((text) => resolve({ response, text }), reject);
    });
  });
  if (body === undefined) request.end();
  // A server that responds before reading the whole report (413) breaks the upload; its response counts.
  else pipeline(body, request).catch((error: unknown) => request.destroy(error instanceof Error ? error : undefined));
  return await answered;
}

/** @throws RelayError `dojo-answer-too-large`, before reading, if the response announces its length */
async function readText(response: http.IncomingMessage, what: string): Promise<string> {
  const tooLarge = () => {
    response.destroy();
    const message = `${what}: the response has more than ${LARGEST_ANSWER} bytes`;
    return new RelayError("dojo-answer-too-large", message, { object: what });
  };
  if (Number(response.headers["content-length"] ?? 0) > LARGEST_ANSWER) throw tooLarge();
  return (await readBytes(response, LARGEST_ANSWER, tooLarge)).toString("utf8");
}

interface Body {
  readonly headers: Record<string, string>;
  readonly stream: Readable;
}

async function encodeBody({ json, multipart }: RequestOptions): Promise<Body | undefined> {
  if (multipart !== undefined) return await encodeMultipart(multipart);
  if (json === undefined) return undefined;
  const bytes = Buffer.from(JSON.stringify(json));
  return {
    headers: { "content-type": "application/json", "content-length": String(bytes.length) },
    stream: Readable.from([bytes]),
  };
}

/** https://www.rfc-editor.org/rfc/rfc7578: values are data between random boundaries; the file is read while it is sent. */
async function encodeMultipart({ fields, file }: Multipart): Promise<Body> {
  const boundary = `dojo-relay-${randomBytes(18).toString("hex")}`;
  const head = fields
    .map(([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
    .concat(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${file.name}"\r\n` +
        "Content-Type: application/octet-stream\r\n\r\n",
    )
    .join("");
  const [start, end] = [Buffer.from(head), Buffer.from(`\r\n--${boundary}--\r\n`)];
  const { size } = await stat(file.path);
  return {
    headers: {
      "content-type": `multipart/form-data; boundary=${boundary}`,
      "content-length": String(start.length + size + end.length),
    },
    stream: Readable.from(
      (async function* () {
        yield start;
        if (size > 0) yield* createReadStream(file.path);
        yield end;
      })(),
    ),
  };
}
