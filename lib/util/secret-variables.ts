import { rememberSecrets } from "./secrets.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** One row per variable that holds secrets: how to extract them. */
const SECRETS_IN: Readonly<Record<string, (value: string) => string[]>> = {
  DEFECTDOJO_APIKEY: whole,
  DEFECTDOJO_HEADERS: jsonTexts,
  WEBHOOK_TOKEN: whole,
  NOTIFY_URL: whole,
  AWS_SECRET_ACCESS_KEY: whole,
  AWS_SESSION_TOKEN: whole,
  HTTPS_PROXY: userinfo,
  HTTP_PROXY: userinfo,
  https_proxy: userinfo,
  http_proxy: userinfo,
};

/** Registers the secrets of an environment, which are then never shown. */
export function rememberSecretVariables(env: Env): void {
  for (const [name, secretsIn] of Object.entries(SECRETS_IN)) {
    const value = env[name];
    if (value !== undefined && value !== "") rememberSecrets(secretsIn(value));
  }
}

function whole(value: string): string[] {
  return [value];
}

/** The values of a JSON object; the whole text if it is not one. */
function jsonTexts(value: string): string[] {
  try {
    return Object.values(JSON.parse(value) as object).map(String);
  } catch {
    return [value];
  }
}

/** The password of a URL, and the value for Proxy-Authorization. */
function userinfo(value: string): string[] {
  const url = URL.parse(value);
  if (url === null || url.password === "") return [];
  return [url.password, `${url.username}:${url.password}`];
}
