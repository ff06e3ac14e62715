/** The value without quotes around it, as env files and shells leave them there. */
const withoutQuotes = (text: string) =>
  text
    .trim()
    .replace(/^(["'])(.*)\1$/s, "$2")
    .trim();

/** An API key as DefectDojo takes it: people copy the header's `Token ` along. */
export const apiKeyIn = (text: string) => withoutQuotes(withoutQuotes(text).replace(/^token\s+/i, ""));

/** DefectDojo's address without the API's path, which the relay adds itself. */
export const dojoUrlIn = (text: string) => withoutQuotes(text).replace(/\/+(api(\/+v2)?\/*)?$/i, "");

type Env = Readonly<Record<string, string | undefined>>;

/** One row a variable whose typos are mended: how, and what is told of it. The key itself never is. */
const MENDED: readonly (readonly [string, (text: string) => string, string])[] = [
  [
    "DEFECTDOJO_URL",
    (text) => dojoUrlIn(text).replace(/\/+$/, ""),
    "quotes or /api/v2 are left out: set the address alone",
  ],
  ["DEFECTDOJO_APIKEY", apiKeyIn, "quotes or the word Token are left out: set the key alone"],
];

/** What of the environment was mended, for whoever starts with it. */
export function typoWarnings(env: Env): string[] {
  return MENDED.flatMap(([name, mend, told]) => {
    const given = env[name]?.trim().replace(/\/+$/, "") ?? "";
    return given === "" || mend(given) === given ? [] : [`${name}: ${told}`];
  });
}

/** Tells of them once, wherever DefectDojo is talked to. */
export function warnOfTypos(env: Env, log: { readonly warn: (message: string) => void }): void {
  for (const warning of typoWarnings(env)) log.warn(warning);
}

/** They name no store: Powertools sets the first itself when it is loaded, the others belong to every TLS connection. */
const NAMES_NO_STORE = new Set(["AWS_SDK_UA_APP_ID", "AWS_CA_BUNDLE"]);

/** The variables by which somebody says that there is a store or queue elsewhere. */
export function awsVariables(env: Env): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith("AWS_") && !NAMES_NO_STORE.has(name) && env[name]?.trim())
    .sort();
}
