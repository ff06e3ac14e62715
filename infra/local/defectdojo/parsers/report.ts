import { importError } from "../http.ts";
import { cleanLocation, endpointFrom, locationFrom } from "../importing/place.ts";
import type { Finding, Place, ReportedFinding, Test } from "../model.ts";
import type { UploadedFile } from "../multipart.ts";
import type { Profile } from "../profiles.ts";

export type ReportItem = {
  finding: ReportedFinding;
  places: Place[];
  /** False: the finding concerns only source code or a package. */
  anyPlace: boolean;
  requestResponses: Finding["requestResponses"];
};

export type Report = {
  findings: ReportItem[];
  /** A test type that the report itself defines. */
  testType?: string;
  testColumns?: Partial<Test>;
};

export type ParserContext = {
  mode: "locations" | "endpoints";
  now: () => Date;
  /** How this version reads generic reports. */
  generic?: Pick<Profile, "unknownFindingFields" | "genericTestType" | "takesDateTimes" | "badDate">;
};

export type Parser = {
  /** The report is parsed before its test is created: an unreadable report leaves no test behind. */
  namesItsTest?: boolean;
  parse: (file: UploadedFile, context: ParserContext) => Promise<Report>;
};

export function reported(
  given: Partial<ReportedFinding> & Pick<ReportedFinding, "title" | "severity">,
): ReportedFinding {
  return { ...EMPTY, cwes: [], vulnerability_ids: [], tags: [], ...given };
}

export function item(finding: ReportedFinding, places: Place[] = []): ReportItem {
  return { finding, places, anyPlace: places.length > 0, requestResponses: [] };
}

/** The target of a URL, or of a host with or without a port. Only the older endpoints reject invalid ones. */
export function placesOfUrl(url: string, context: ParserContext): Place[] {
  if (context.mode === "locations") {
    const place = locationFrom(url.includes("://") ? url : `//${url}`);
    return place === undefined ? [] : [place];
  }
  try {
    return [endpointFrom(url.includes("://") ? url : `//${url}`)];
  } catch (error) {
    throw importError(`Invalid URL format: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function placeOfParts(parts: Partial<Place>, context: ParserContext): Place {
  const place: Place = {
    protocol: "",
    userinfo: "",
    host: "",
    port: null,
    path: "",
    query: "",
    fragment: "",
    ...parts,
  };
  return context.mode === "locations" ? cleanLocation(place) : { ...place, path: place.path.replace(/^\/+/, "") };
}

/** Findings by key; a second finding with the same key is merged into the first. */
export function merged(
  entries: readonly (readonly [string, ReportItem])[],
  merge: (known: ReportItem, next: ReportItem) => void,
): ReportItem[] {
  const found = new Map<string, ReportItem>();
  for (const [key, next] of entries) {
    const known = found.get(key);
    if (known === undefined) found.set(key, next);
    else merge(known, next);
  }
  return [...found.values()];
}

export function countAgain({ finding }: ReportItem): void {
  finding.nb_occurences = (finding.nb_occurences ?? 0) + 1;
}

const EMPTY: Omit<ReportedFinding, "title" | "severity" | "cwes" | "vulnerability_ids" | "tags"> = {
  description: "",
  date: null,
  mitigated: null,
  cwe: 0,
  epss_score: null,
  epss_percentile: null,
  known_exploited: false,
  ransomware_used: false,
  kev_date: null,
  cvssv3: null,
  cvssv3_score: null,
  cvssv4: null,
  cvssv4_score: null,
  url: null,
  mitigation: null,
  fix_available: null,
  fix_version: null,
  impact: null,
  steps_to_reproduce: null,
  severity_justification: null,
  references: null,
  active: true,
  verified: false,
  false_p: false,
  out_of_scope: false,
  risk_accepted: false,
  under_review: false,
  is_mitigated: false,
  thread_id: 0,
  param: null,
  payload: null,
  line: null,
  file_path: null,
  component_name: null,
  component_version: null,
  static_finding: false,
  dynamic_finding: true,
  scanner_confidence: null,
  unique_id_from_tool: null,
  vuln_id_from_tool: null,
  sast_source_object: null,
  sast_sink_object: null,
  sast_source_line: null,
  sast_source_file_path: null,
  nb_occurences: null,
  publish_date: null,
  service: null,
  planned_remediation_date: null,
  planned_remediation_version: null,
  effort_for_fixing: null,
};
