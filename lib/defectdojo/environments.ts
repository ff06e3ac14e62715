import { RelayError } from "../errors.ts";
import { ANNOTATION_PREFIX } from "../model/scan.ts";
import type { DojoApi } from "./api.ts";
import type { Remembered } from "./remembered.ts";
import { named } from "./schemas.ts";

/**
 * DefectDojo's own spelling of an environment: an import takes no other. The one that was asked for where the token may not see them.
 * A name that is not among those remembered is looked up afresh before it is refused.
 * @throws RelayError `sidecar-invalid`, with the annotation and the choices
 */
export async function environmentNamed(api: DojoApi, known: Remembered, wanted: string): Promise<string> {
  for (const attempt of ["remembered", "afresh"]) {
    const names = await known.remember("environments", () => environments(api));
    if (names === undefined) return wanted;
    const found = names.find((name) => name === wanted) ?? names.find((name) => fold(name) === fold(wanted));
    if (found !== undefined) return found;
    if (attempt === "afresh") throw unknownEnvironment(wanted, names);
    known.forget("environments");
  }
  return wanted;
}

const fold = (name: string) => name.trim().toLowerCase();

function unknownEnvironment(wanted: string, names: readonly string[]): RelayError {
  const annotation = `annotation ${ANNOTATION_PREFIX}environment`;
  const message = `${annotation}: DefectDojo has no environment ${JSON.stringify(wanted)}; it has ${names.join(", ")}`;
  return new RelayError("sidecar-invalid", message, { object: annotation });
}

/** Undefined where the token may not see them. */
async function environments(api: DojoApi): Promise<string[] | undefined> {
  const names: string[] = [];
  try {
    for await (const { name } of api.list("development_environments/", {}, named)) names.push(name);
    return names;
  } catch (error) {
    if (error instanceof RelayError && error.reason === "dojo-forbidden") return undefined;
    throw error;
  }
}
