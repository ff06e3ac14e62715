import { RelayError } from "../errors.ts";
import type { DojoApi } from "./api.ts";
import type { Remembered } from "./remembered.ts";
import { named } from "./schemas.ts";

const LARGEST_PAGE = 250;

/** A list of names of which an import accepts only one. */
interface Choices {
  readonly path: string;
  /** The error for a name that is not on it. */
  readonly unknown: (names: readonly string[]) => RelayError;
}

/**
 * DefectDojo's own spelling of a name on one of its lists, found case-insensitively: an import accepts no other. The name as requested if the token may
 * not see the list. A name that is not among the cached ones is looked up again before it is refused.
 * @throws the error that `unknown` creates from the existing names
 */
export async function ownSpelling(
  api: DojoApi,
  known: Remembered,
  wanted: string,
  { path, unknown }: Choices,
): Promise<string> {
  const find = async () => {
    const names = await known.remember(path, () => namesOf(api, path));
    const found =
      names === undefined
        ? wanted
        : (names.find((name) => name === wanted) ?? names.find((name) => fold(name) === fold(wanted)));
    return { names: names ?? [], found };
  };
  const { found } = await find();
  if (found !== undefined) return found;
  known.forget(path);
  const afresh = await find();
  if (afresh.found !== undefined) return afresh.found;
  throw unknown(afresh.names);
}

const fold = (name: string) => name.trim().toLowerCase();

/** Undefined if the token may not see them. */
async function namesOf(api: DojoApi, path: string): Promise<string[] | undefined> {
  const names: string[] = [];
  try {
    for await (const { name } of api.list(path, {}, named, LARGEST_PAGE)) names.push(name);
    return names;
  } catch (error) {
    if (error instanceof RelayError && error.reason === "dojo-forbidden") return undefined;
    throw error;
  }
}
