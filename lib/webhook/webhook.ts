import http from "node:http";
import https from "node:https";
import { RelayError, toRelayError } from "../errors.ts";
import type { Webhook } from "../ports/webhook.ts";
import { readBytes } from "../util/read-bytes.ts";
import { redact, rememberSecrets } from "../util/secrets.ts";
import { cutText } from "../util/text.ts";

export interface WebhookOptions {
  /** Called for every message; the URL is a secret. */
  readonly url: () => Promise<string>;
  readonly timeoutMs: number;
  /** Where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are read. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
}

/** Only the status of a response counts; its first words are for people. */
const LARGEST_ANSWER = 64 * 1024;
const LONGEST_WORDS = 200;
/** Characters: shorter paths may also be ordinary words. */
const SECRET_PATH = 16;
/** Seconds; the longest wait that a receiver can ask for. */
const LONGEST_RETRY_AFTER = 3_600;

/**
 * A webhook over Node's own HTTP client. No redirect is followed, so findings reach only the configured receiver; the URL, which is
 * the only credential of a chat's webhook, is in no error: only its host is.
 */
export function httpWebhook({ url, timeoutMs, proxyEnv }: WebhookOptions): Webhook {
  return {
    send: async (body, id) => {
      const address = new URL(await url());
      rememberSecrets([
        address.href,
        ...[address.pathname + address.search].filter((path) => path.length >= SECRET_PATH),
      ]);
      const what = `webhook ${address.host}`;
      const client = address.protocol === "https:" ? https : http;
      const agent = new client.Agent({ keepAlive: false, ...(proxyEnv === undefined ? {} : { proxyEnv }) });
      const bytes = Buffer.from(JSON.stringify(body));
      const headers = {
        "content-type": "application/json",
        "content-length": String(bytes.length),
        "idempotency-key": id,
        "user-agent": "dojo-relay",
      };
      try {
        const signal = AbortSignal.timeout(timeoutMs);
        const answer = await exchange(client.request(address, { method: "POST", headers, agent, signal }), bytes);
        if (answer.status < 200 || answer.status > 299) throw refusal(what, answer);
      } catch (error) {
        if (error instanceof RelayError) throw error;
        const { message } = toRelayError(error);
        throw new RelayError("webhook-unavailable", `${what}: ${redact(message)}`, { object: what });
      }
    },
  };
}

interface WebhookAnswer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | undefined;
}

async function exchange(request: http.ClientRequest, body: Buffer): Promise<WebhookAnswer> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on("error", reject);
    request.once("response", resolve);
    request.end(body);
  });
  const tooLarge = () => new Error("its response is too large");
  const text = await readBytes(response, LARGEST_ANSWER, tooLarge).catch(() => Buffer.from(""));
  response.destroy();
  const retryAfter = response.headers["retry-after"];
  return { status: response.statusCode ?? 0, text: text.toString("utf8"), retryAfter };
}

/** Too many messages, a time-out and a server's failure are temporary; the rest stays until somebody corrects the URL or the receiver. */
function refusal(what: string, { status, text, retryAfter }: WebhookAnswer): RelayError {
  const passes = status === 429 || status === 408 || status >= 500;
  const redirected = status >= 300 && status < 400 ? " (a redirect, which is not followed)" : "";
  const words = cutText(redact(text.replace(/\s+/g, " ").trim()), LONGEST_WORDS);
  const message = `${what}: HTTP ${status}${redirected}${words === "" ? "" : `: ${words}`}`;
  const seconds = Number(retryAfter) || (Date.parse(retryAfter ?? "") - Date.now()) / 1000;
  const retryAfterSeconds =
    passes && seconds > 0 ? { retryAfterSeconds: Math.min(Math.ceil(seconds), LONGEST_RETRY_AFTER) } : {};
  return new RelayError(passes ? "webhook-unavailable" : "webhook-refused", message, {
    object: what,
    status,
    ...retryAfterSeconds,
  });
}
