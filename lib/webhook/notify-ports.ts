import type { Env, NotifyConfig } from "../config.ts";
import { RelayError } from "../errors.ts";
import type { Webhook } from "../ports/webhook.ts";
import { httpWebhook } from "./webhook.ts";

/** How long a URL from a store is cached before a new one is picked up. Seconds. */
const MAX_AGE = 300;
const TIMEOUT_MS = 15_000;

/**
 * The configured webhook: by its URL, or by the secret (Secrets Manager) or parameter (SSM) that holds it.
 * @returns undefined if none is configured: no messages
 */
export function configuredWebhook(config: NotifyConfig, proxyEnv: Env): Webhook | undefined {
  const url = urlSource(config);
  return url && httpWebhook({ url, timeoutMs: TIMEOUT_MS, proxyEnv });
}

function urlSource(config: NotifyConfig): (() => Promise<string>) | undefined {
  const { NOTIFY_URL: given, NOTIFY_URL_SECRET: secret, NOTIFY_URL_PARAMETER: parameter } = config;
  if (given !== undefined) return async () => given;
  if (secret !== undefined) {
    return async () => {
      const { getSecret } = await import("@aws-lambda-powertools/parameters/secrets");
      return await stored(secret, getSecret(secret, { maxAge: MAX_AGE }));
    };
  }
  if (parameter === undefined) return undefined;
  return async () => {
    const { getParameter } = await import("@aws-lambda-powertools/parameters/ssm");
    return await stored(parameter, getParameter(parameter, { maxAge: MAX_AGE, decrypt: true }));
  };
}

/** @throws RelayError `key-unavailable`, `config-invalid` if it holds no URL */
async function stored(name: string, answer: Promise<string | Uint8Array | undefined>): Promise<string> {
  let text: string;
  try {
    text = Buffer.from(((await answer) ?? "") as string)
      .toString("utf8")
      .trim();
  } catch (cause) {
    throw new RelayError("key-unavailable", `${name}: the URL of the webhook cannot be read`, {
      object: name,
      cause,
    });
  }
  if (/^https:\/\/[^@\s]+$/.test(text) && URL.canParse(text)) return text;
  throw new RelayError("config-invalid", `${name} holds no https URL`, { object: name });
}
