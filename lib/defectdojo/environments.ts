import { RelayError } from "../errors.ts";
import { ANNOTATION_PREFIX } from "../model/scan.ts";
import type { DojoApi } from "./api.ts";
import { ownSpelling } from "./own-spelling.ts";
import type { Remembered } from "./remembered.ts";

/**
 * DefectDojo's own spelling of an environment.
 * @throws RelayError `sidecar-invalid`, with the annotation and the choices
 */
export async function environmentNamed(api: DojoApi, known: Remembered, wanted: string): Promise<string> {
  const unknown = (names: readonly string[]) => {
    const annotation = `annotation ${ANNOTATION_PREFIX}environment`;
    const message = `${annotation}: DefectDojo has no environment ${JSON.stringify(wanted)}; it has ${names.join(", ")}`;
    return new RelayError("sidecar-invalid", message, { object: annotation });
  };
  return await ownSpelling(api, known, wanted, { path: "development_environments/", unknown });
}
