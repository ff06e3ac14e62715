/** The value without surrounding quotes, which env files and shells may leave there. */
const withoutQuotes = (text: string) =>
  text
    .trim()
    .replace(/^(["'])(.*)\1$/s, "$2")
    .trim();

/** The API key without the header's `Token `, which people copy along. */
export const apiKeyIn = (text: string) => withoutQuotes(withoutQuotes(text).replace(/^token\s+/i, ""));

/** DefectDojo's URL without the API's path, which the relay adds itself, and without the pages that people copy it from. */
export const dojoUrlIn = (text: string) =>
  withoutQuotes(text).replace(/\/+(?:(?:api(?:\/+v2(?:\/.*)?)?|login|dashboard)\/*(?:\?.*)?)?$/i, "");

type Env = Readonly<Record<string, string | undefined>>;

/** One row per variable whose typos are corrected: how, and the warning, which never contains the key. */
const MENDED: readonly (readonly [string, (text: string) => string, string])[] = [
  [
    "DEFECTDOJO_URL",
    (text) => dojoUrlIn(text).replace(/\/+$/, ""),
    "quotes, /api/v2 or a page were removed: set only the URL",
  ],
  ["DEFECTDOJO_APIKEY", apiKeyIn, "quotes or the word Token were removed: set only the key"],
];

/** The corrections of the environment, as warnings. */
export function typoWarnings(env: Env): string[] {
  return MENDED.flatMap(([name, mend, told]) => {
    const given = env[name]?.trim().replace(/\/+$/, "") ?? "";
    return given === "" || mend(given) === given ? [] : [`${name}: ${told}`];
  });
}

/** Warns of them once, wherever DefectDojo is used. */
export function warnOfTypos(env: Env, log: { readonly warn: (message: string) => void }): void {
  for (const warning of typoWarnings(env)) log.warn(warning);
}

/** These do not name a store: Powertools sets the first itself when it is loaded, the others apply to every TLS connection. */
const NAMES_NO_STORE = new Set(["AWS_SDK_UA_APP_ID", "AWS_CA_BUNDLE"]);

/** The variables that point to an external store or queue. */
export function awsVariables(env: Env): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith("AWS_") && !NAMES_NO_STORE.has(name) && env[name]?.trim())
    .sort();
}
