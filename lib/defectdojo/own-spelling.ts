import { RelayError } from "../errors.ts";
import type { DojoApi } from "./api.ts";
import type { Remembered } from "./remembered.ts";
import { named } from "./schemas.ts";

const LARGEST_PAGE = 250;

/** A list of names that an import may only take one of. */
interface Choices {
  readonly path: string;
  /** For what is not on it. */
  readonly unknown: (names: readonly string[]) => RelayError;
}

/**
 * DefectDojo's own spelling of a name on one of its lists, found in any case: an import takes no other. The name as it was asked for where the token may
 * not see the list. A name that is not among those remembered is looked up afresh before it is refused.
 * @throws what `unknown` makes of the names that there are
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

/** Undefined where the token may not see them. */
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
