import { RelayError } from "../errors.ts";
import { ANNOTATION_PREFIX } from "../model/scan.ts";
import { nearest } from "../util/nearest.ts";
import type { DojoApi } from "./api.ts";
import { ownSpelling } from "./own-spelling.ts";
import type { Remembered } from "./remembered.ts";
import { named } from "./schemas.ts";

/** Whether the server has a test type of exactly that name. */
export async function hasTestType(api: DojoApi, known: Remembered, name: string): Promise<boolean> {
  return await known.remember(JSON.stringify(["test type", name]), async () => {
    for await (const found of api.list("test_types/", { name }, named)) if (found.name === name) return true;
    return false;
  });
}

/**
 * DefectDojo's own spelling of a scan type.
 * @throws RelayError `sidecar-invalid`, with the annotation and the nearest one
 */
export async function testTypeNamed(api: DojoApi, known: Remembered, wanted: string): Promise<string> {
  const unknown = (names: readonly string[]) => {
    const annotation = `annotation ${ANNOTATION_PREFIX}import-as`;
    // Some names end with "Scan", some do not: "Sarif Scan" is SARIF, not CSAF Scan.
    const meant = nearest(wanted.replace(/ scan\s*$/i, ""), names, 0) ?? nearest(wanted, names);
    const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
    const message = `${annotation}: DefectDojo has no scan type ${JSON.stringify(wanted)}${hint}`;
    return new RelayError("sidecar-invalid", message, { object: annotation });
  };
  return await ownSpelling(api, known, wanted, { path: "test_types/", unknown });
}
