import { isIPv6 } from "node:net";
import type { DojoSeverity } from "../model/annotations.ts";
import { cleanText, cutText } from "../util/text.ts";
import type { ScanFinding } from "./findings-file.ts";
import { type DetailColumns, type Details, detailsOf } from "./generic-details.ts";
import { jacksonJson, LONGEST_TITLE } from "./jackson-text.ts";

/** A finding in the form of DefectDojo's Generic Findings Import. https://docs.defectdojo.com/supported_tools/parsers/generic_findings_import/ */
export interface GenericFinding extends DetailColumns {
  readonly title: string;
  readonly severity: DojoSeverity;
  readonly description: string;
  readonly date?: string;
  readonly endpoints?: readonly string[];
  readonly mitigation?: string;
  readonly references?: string;
  readonly unique_id_from_tool: string;
}

const SEVERITIES: Readonly<Record<string, DojoSeverity>> = {
  CRITICAL: "Critical",
  HIGH: "High",
  MEDIUM: "Medium",
  LOW: "Low",
  INFORMATIONAL: "Info",
  INFO: "Info",
};

const LONGEST_UNIQUE_ID = 500;

/** Of a finding whose name is empty: DefectDojo asks for a title. */
const UNNAMED = "(unnamed)";

/**
 * Characters of a description, attributes included. These grow as they are laid out, by their depth: 16 MiB of them became 112 MiB, more than can be
 * read back (a response of DefectDojo may have 64 MiB). No scanner reports as much for one finding, and no page of DefectDojo shows it.
 */
const LONGEST_DESCRIPTION = 1024 * 1024;
/** Longest part of an invalid location at the end of a truncated description. */
const LONGEST_LOCATION = 1_000;

/** DefectDojo's `unique_id_from_tool`, which identifies the finding later: its id, else its position. */
export function uniqueIdOf(finding: ScanFinding, index: number): string {
  return (
    cleanText(finding.id ?? "")
      .slice(0, LONGEST_UNIQUE_ID)
      .toWellFormed() || `finding-${index}`
  );
}

/** DefectDojo's severity for one of secureCodeBox; undefined for an unknown one. */
export function dojoSeverity(severity: string | null | undefined): DojoSeverity | undefined {
  return SEVERITIES[severity?.trim().toUpperCase() ?? ""];
}

/**
 * The finding in DefectDojo's form. What DefectDojo would refuse (with the whole report) is repaired, never dropped.
 * @param index its position in findings.json
 * @param now no date may be in the future
 * @param details what goes into DefectDojo's own columns
 * @returns the finding, and what was repaired in words
 */
export function toGenericFinding(
  finding: ScanFinding,
  index: number,
  now: Date,
  details: Details = { full: false, cwes: false },
): { generic: GenericFinding; repairs: string[] } {
  const repairs: string[] = [];
  const repaired = <T>(value: T, why: string | false): T => {
    if (why !== false) repairs.push(why);
    return value;
  };
  const clean = (text: string, field: string) => {
    const cleaned = cleanText(text);
    return repaired(cleaned, cleaned !== text && `${field}: control characters removed`);
  };

  const given = clean(finding.name, "name").trim();
  const name = repaired(given || UNNAMED, given === "" && `name: is empty, taken as ${UNNAMED}`);
  const title = repaired(
    cutText(name, LONGEST_TITLE),
    name.length > LONGEST_TITLE && `name: cut to ${LONGEST_TITLE} characters`,
  );
  const severity = dojoSeverity(finding.severity);
  if (severity === undefined) repairs.push(`severity: ${quoted(finding.severity, 50)} is not known, taken as Info`);
  const text = clean(finding.description ?? "", "description");
  const laidOut = finding.attributes == null ? "" : jacksonJson(finding.attributes, LONGEST_DESCRIPTION);
  const attributes = finding.attributes == null ? "" : `\n ${clean(laidOut, "attributes")}`;
  // An empty one with attributes stays, as in the reference hook: DefectDojo recognises the finding by this text.
  const missing = finding.description == null || attributes === "";
  const described = missing && text.trim() === "" ? repaired(name, "description: missing, the name stands in") : text;
  const location = clean(finding.location ?? "", "location").trim();
  const usable = location !== "" && isLocation(location);
  if (location !== "" && !usable)
    repairs.push(`location: ${quoted(location, 200)} is no address, kept in the description`);
  const whole = `${described}${attributes}`;
  const description = endedBy(usable ? "" : location, whole, laidOut.length > LONGEST_DESCRIPTION, repairs);
  const date = dateOf(finding, now, repairs);
  const mitigation = clean(finding.mitigation ?? "", "mitigation");
  const references = clean((finding.references ?? []).map(referenceLine).join("\n"), "references");
  return {
    generic: {
      title,
      severity: severity ?? "Info",
      description,
      ...(date === undefined ? {} : { date }),
      ...(usable ? { endpoints: [location] } : {}),
      ...(mitigation === "" ? {} : { mitigation }),
      ...(references === "" ? {} : { references }),
      ...detailsOf(finding, details),
      unique_id_from_tool: uniqueIdOf(finding, index),
    },
    repairs,
  };
}

/** The description with an invalid location at its end; a description that is too long is cut before that, unless it is already. */
function endedBy(location: string, description: string, wasCut: boolean, repairs: string[]): string {
  const whole = location === "" ? description : `${description}\nLocation: ${location}`;
  if (whole.length <= LONGEST_DESCRIPTION && !wasCut) return whole;
  repairs.push(`description: cut to ${LONGEST_DESCRIPTION} characters`);
  const end = location === "" ? "" : `\nLocation: ${cutText(location, LONGEST_LOCATION)}`;
  return cutText(description, LONGEST_DESCRIPTION - end.length) + end;
}

/** A value in quotes, for people; it may have any length. */
const quoted = (text: string | null | undefined, longest: number) =>
  text == null ? "null" : JSON.stringify(cutText(text, longest));

/** The day when the finding was identified, else parsed; today if that is in the future (clocks differ). */
function dateOf(finding: ScanFinding, now: Date, repairs: string[]): string | undefined {
  const given = finding.identified_at || finding.parsed_at;
  if (!given) return undefined;
  const time = Date.parse(given);
  // Years before 1970 are zero times of scanners, or unreadable to DefectDojo.
  if (!(time >= 0)) {
    repairs.push(`date: ${quoted(given, 50)} is no date, left to DefectDojo`);
    return undefined;
  }
  const [day, today] = [new Date(time).toISOString().slice(0, 10), now.toISOString().slice(0, 10)];
  if (time <= now.getTime() || day === today) return day;
  repairs.push(`date: ${day} lies in the future, taken as today`);
  return today;
}

/** Types whose value is an id (CVE-2020-1234) and not a URL. */
const referenceLine = ({ type, value }: { type: string; value: string }) =>
  /^https?:/i.test(value) ? value : `${type}: ${value}`;

/** A host that DefectDojo's URL model accepts: letters of any script, digits, `-`, `_`, `.`, `*`. */
const HOST = /^[\p{L}\p{N}_*][\p{L}\p{M}\p{N}._*-]*$/u;
/** User, IPv6 address or name, port. Without a `%`, a user cannot be decoded wrongly, and it fits into DefectDojo's column. */
const AUTHORITY = /^(?:[^/?#@%]{0,255}@)?(?:\[([^\]]*)\]|([^/?#:@[\]]+))(?::(\d{1,5}))?(?:[/?#].*)?$/u;
/** DefectDojo's column for the scheme. */
const LONGEST_SCHEME = 10;

/**
 * Whether DefectDojo can read the location as an endpoint: `scheme://host[:port]…` or `host[:port]…`. In 2.x, and in 3.x with the locations
 * feature off, one that it cannot read (`image:1.2`, `host:`, an IPv6 address without brackets) fails the whole report with 400; with the feature on, a
 * host of more than 253 characters does so with 500 (tried on 3.2). One without a scheme but with a later `://` is read as scheme and path.
 */
export function isLocation(location: string): boolean {
  if (location.length > 1_000 || /\s/.test(location)) return false;
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(location)?.[1];
  if (scheme === undefined ? location.includes("://") : scheme.length > LONGEST_SCHEME) return false;
  const parts = AUTHORITY.exec(scheme === undefined ? location : location.slice(scheme.length + "://".length));
  if (parts === null) return false;
  const [, address, name = "", port] = parts;
  const host = address === undefined ? HOST.test(name) && name.length <= 253 : isIPv6(address);
  return host && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535));
}
