import * as z from "zod";
import { RelayError } from "../errors.ts";
import { ANNOTATION_PREFIX } from "../model/scan.ts";
import type { LimitedField, LimitedOptions } from "../ports/defectdojo.ts";
import type { DojoApi } from "./api.ts";
import type { Remembered } from "./remembered.ts";

/** Options for which some versions of DefectDojo refuse the whole report: option, its annotation, value, and the last version without it. */
const LIMITS: readonly {
  readonly option: keyof LimitedOptions;
  readonly annotation: string;
  readonly value: string;
  /** `major.minor`, measured. */
  readonly lastWithout: string;
}[] = [{ option: "groupBy", annotation: "group-by", value: "vuln_id_from_tool", lastWithout: "2.34" }];

/**
 * Checks a scan's options against this version. The version is requested only if it matters.
 * @throws RelayError `sidecar-invalid`, with the annotation and the version
 */
export async function checkParameters(api: DojoApi, known: Remembered, options: LimitedOptions): Promise<void> {
  for (const { option, annotation, value, lastWithout } of LIMITS) {
    if (options[option] !== value) continue;
    const version = await known.remember("version", () => serverVersion(api));
    if (version === undefined || isNewer(version, lastWithout)) continue;
    const object = `annotation ${ANNOTATION_PREFIX}${annotation}`;
    const message = `${object}: ${value} is unknown to this DefectDojo (${version}); versions up to ${lastWithout} refuse it`;
    throw new RelayError("sidecar-invalid", message, { object });
  }
}

/** Fields of generic findings by the last version without it; measured on 2.58 and 3.2, and so not sent to what lies between. */
const FIELDS: Readonly<Record<LimitedField, string>> = { cwes: "3.1" };

/** Whether this version is known to accept the field. */
export async function takesField(api: DojoApi, known: Remembered, field: LimitedField): Promise<boolean> {
  const version = await known.remember("version", () => serverVersion(api));
  return version !== undefined && isNewer(version, FIELDS[field]);
}

const schema = z.object({ info: z.object({ version: z.string() }) });
const profile = z.object({ user: z.looseObject({}) });

/** As the API's own schema says, else by its answers: `date_joined` of a user came after 2.34 (recorded). Undefined: newer than that. */
async function serverVersion(api: DojoApi): Promise<string | undefined> {
  const query = [["format", "json"]] as const;
  const { status, body } = await api.transport.request("GET", "oa3/schema/", { query, expect: [403, 404] });
  const told = schema.safeParse(body);
  if (status === 200 && told.success && /^\d+\.\d+/.test(told.data.info.version)) return told.data.info.version;
  return "date_joined" in (await api.get("user_profile/", {}, profile)).user ? undefined : "2.34";
}

function isNewer(version: string, than: string): boolean {
  const [[major = 0, minor = 0], [other = 0, otherMinor = 0]] = [numbers(version), numbers(than)];
  return major > other || (major === other && minor > otherMinor);
}

const numbers = (version: string) => version.split(".").map(Number);
