import type { DojoConfig } from "../config.ts";
import { RelayError } from "../errors.ts";
import { gateHeaders } from "../model/gate-headers.ts";
import { apiKeyIn } from "../model/typos.ts";
import { describeIssues } from "../util/issues.ts";
import type { ApiKeySource, HeaderSource } from "./http.ts";

type KeyConfig = Pick<DojoConfig, "DEFECTDOJO_APIKEY" | "DEFECTDOJO_APIKEY_SECRET" | "DEFECTDOJO_APIKEY_PARAMETER">;
type HeaderConfig = KeyConfig & Pick<DojoConfig, "DEFECTDOJO_HEADERS">;

/** How long a key from a store is cached, so that a rotated one is picked up. Seconds. */
const MAX_AGE = 300;

/**
 * Where DefectDojo's API key comes from: the environment, Secrets Manager (`DEFECTDOJO_APIKEY_SECRET`) or SSM (`DEFECTDOJO_APIKEY_PARAMETER`), the latter two
 * cached by Powertools and fetched again when DefectDojo refuses the key. Their clients are loaded only when used.
 * @throws RelayError `config-invalid` if none is set
 */
export function apiKeySource(config: KeyConfig): ApiKeySource {
  const { DEFECTDOJO_APIKEY: key } = config;
  if (key !== undefined) return async () => key;
  const store = storeOf(config);
  if (store !== undefined) return async (refused) => keyOf(await store.read(refused), store.name);
  throw new RelayError(
    "config-invalid",
    "one of DEFECTDOJO_APIKEY, DEFECTDOJO_APIKEY_SECRET, DEFECTDOJO_APIKEY_PARAMETER must be set",
    {
      object: "environment",
    },
  );
}

/**
 * Headers for a gateway in front of DefectDojo: those of `DEFECTDOJO_HEADERS`, overridden by those in the key's secret or parameter
 * (`{"apikey": "…", "headers": {"NAME": "VALUE"}}`).
 */
export function headerSource(config: HeaderConfig): HeaderSource {
  const { DEFECTDOJO_HEADERS: given = {} } = config;
  const store = config.DEFECTDOJO_APIKEY === undefined ? storeOf(config) : undefined;
  if (store === undefined) return async () => given;
  return async () => ({ ...given, ...headersOf(await store.read(undefined), store.name) });
}

interface Store {
  readonly name: string;
  readonly read: (refused: string | undefined) => Promise<string | Uint8Array | undefined>;
}

function storeOf({ DEFECTDOJO_APIKEY_SECRET: secret, DEFECTDOJO_APIKEY_PARAMETER: parameter }: KeyConfig) {
  if (secret !== undefined) return secretStore(secret);
  return parameter === undefined ? undefined : parameterStore(parameter);
}

const secretStore = (name: string): Store => ({
  name,
  read: async (refused) => {
    const { getSecret } = await import("@aws-lambda-powertools/parameters/secrets");
    return await stored(name, getSecret(name, cached(refused)));
  },
});

const parameterStore = (name: string): Store => ({
  name,
  read: async (refused) => {
    const { getParameter } = await import("@aws-lambda-powertools/parameters/ssm");
    return await stored(name, getParameter(name, { ...cached(refused), decrypt: true }));
  },
});

/** The cached key, unless it was refused. */
const cached = (refused: string | undefined) => ({ maxAge: MAX_AGE, forceFetch: refused !== undefined });

/** @throws RelayError `key-unavailable` */
async function stored<T>(name: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new RelayError("key-unavailable", `${name}: the API key cannot be read`, { object: name, cause });
  }
}

const textOf = (stored: string | Uint8Array | undefined) =>
  stored === undefined
    ? ""
    : Buffer.from(stored as string)
        .toString("utf8")
        .trim();

/** The stored text is the key, or JSON with the key under `apikey`, as secureCodeBox's Kubernetes secret has it. */
function keyOf(stored: string | Uint8Array | undefined, name: string): string {
  const text = textOf(stored);
  const key: unknown = text.startsWith("{") ? parsed(text)?.apikey : text;
  if (typeof key === "string" && apiKeyIn(key) !== "") return apiKeyIn(key);
  throw new RelayError("config-invalid", `${name} holds no API key (plain text, or JSON with "apikey")`, {
    object: name,
  });
}

/** @throws RelayError `config-invalid` that names a header, never its value */
function headersOf(stored: string | Uint8Array | undefined, name: string): Record<string, string> {
  const text = textOf(stored);
  const headers = gateHeaders.safeParse((text.startsWith("{") ? parsed(text)?.headers : undefined) ?? {});
  if (headers.success) return headers.data;
  throw new RelayError("config-invalid", `${name}: headers: ${describeIssues(headers.error)}`, { object: name });
}

function parsed(text: string): { apikey?: unknown; headers?: unknown } | undefined {
  try {
    return JSON.parse(text) as { apikey?: unknown; headers?: unknown };
  } catch {
    return undefined;
  }
}
