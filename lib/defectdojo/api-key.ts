import type { DojoConfig } from "../config.ts";
import { RelayError } from "../errors.ts";
import type { ApiKeySource } from "./http.ts";

type KeyConfig = Pick<DojoConfig, "DEFECTDOJO_APIKEY" | "DEFECTDOJO_APIKEY_SECRET" | "DEFECTDOJO_APIKEY_PARAMETER">;

/** How long a key from a store is used before it is asked for again, so that a rotated one is taken up. Seconds. */
const MAX_AGE = 300;

/**
 * Where DefectDojo's API key comes from: the environment, Secrets Manager (`DEFECTDOJO_APIKEY_SECRET`) or SSM (`DEFECTDOJO_APIKEY_PARAMETER`), the latter two
 * cached by powertools and asked anew where DefectDojo refused the key. Their clients are loaded only where they are used.
 * @throws RelayError `config-invalid` where none is set
 */
export function apiKeySource(config: KeyConfig): ApiKeySource {
  const { DEFECTDOJO_APIKEY: key, DEFECTDOJO_APIKEY_SECRET: secret, DEFECTDOJO_APIKEY_PARAMETER: parameter } = config;
  if (key !== undefined) return async () => key;
  if (secret !== undefined) {
    return async (refused) => {
      const { getSecret } = await import("@aws-lambda-powertools/parameters/secrets");
      return keyOf(await stored(secret, getSecret(secret, cached(refused))), secret);
    };
  }
  if (parameter !== undefined) {
    return async (refused) => {
      const { getParameter } = await import("@aws-lambda-powertools/parameters/ssm");
      return keyOf(await stored(parameter, getParameter(parameter, { ...cached(refused), decrypt: true })), parameter);
    };
  }
  throw new RelayError(
    "config-invalid",
    "one of DEFECTDOJO_APIKEY, DEFECTDOJO_APIKEY_SECRET, DEFECTDOJO_APIKEY_PARAMETER must be set",
    {
      object: "environment",
    },
  );
}

/** The cached key, unless that was refused. */
const cached = (refused: string | undefined) => ({ maxAge: MAX_AGE, forceFetch: refused !== undefined });

/** @throws RelayError `key-unavailable` */
async function stored<T>(name: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new RelayError("key-unavailable", `${name}: the API key cannot be read`, { object: name, cause });
  }
}

/** The stored text is the key, or JSON with the key under `apikey`, as secureCodeBox's Kubernetes secret has it. */
function keyOf(stored: string | Uint8Array | undefined, name: string): string {
  const text =
    stored === undefined
      ? ""
      : Buffer.from(stored as string)
          .toString("utf8")
          .trim();
  let key: unknown = text;
  if (text.startsWith("{")) {
    try {
      key = (JSON.parse(text) as { apikey?: unknown }).apikey;
    } catch {
      key = undefined;
    }
  }
  if (typeof key === "string" && key !== "") return key;
  throw new RelayError("config-invalid", `${name} holds no API key (plain text, or JSON with "apikey")`, {
    object: name,
  });
}
