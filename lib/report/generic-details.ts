import { isExactNumber } from "../util/exact-number.ts";
import { cleanText } from "../util/text.ts";
import type { ScanFinding } from "./findings-file.ts";

/** Which details of a finding go into DefectDojo's own columns besides the permanent ones. */
export interface Details {
  /** `cwe`, `file_path` and `line` too: they are part of DefectDojo's hash code, so they make a known finding new. */
  readonly full: boolean;
  /** Whether this DefectDojo supports `cwes` (several); others refuse the whole report because of it. */
  readonly cwes: boolean;
}

export interface DetailColumns {
  readonly vulnerability_ids?: readonly string[];
  readonly component_name?: string;
  readonly component_version?: string;
  readonly cwe?: number;
  readonly cwes?: readonly string[];
  readonly file_path?: string;
  readonly line?: number;
}

type Attributes = Readonly<Record<string, unknown>>;
type Source = (finding: ScanFinding, attributes: Attributes) => readonly string[];

/** Lengths of DefectDojo's columns. Vulnerability ids have room for 50. */
const LONGEST = { name: 500, version: 100, path: 4_000 };
const MOST_IDS = 50;
const LARGEST_LINE = 2_147_483_647;

const inAttribute =
  (name: string): Source =>
  (_, attributes) =>
    texts(attributes[name]);

/** References of a type, from the finding itself and from its attributes, where some parsers put them. */
const inReferences =
  (type: RegExp): Source =>
  ({ references }, attributes) =>
    [...(references ?? []), ...(Array.isArray(attributes["references"]) ? attributes["references"] : [])].flatMap(
      (reference: unknown) => {
        const { type: of, value } = (
          typeof reference === "object" && reference !== null ? reference : {}
        ) as Attributes;
        return typeof of === "string" && type.test(of) ? texts(value) : [];
      },
    );

/** Where secureCodeBox's parsers put the vulnerability's id: nuclei, wpscan (without `CVE-`) and others; trivy; trivy of a cluster. */
const VULNERABILITY_IDS: readonly Source[] = [
  inReferences(/^(?:CVE|GHSA)$/i),
  inAttribute("vulnerabilityId"),
  (_, attributes) => (attributes["packageName"] == null ? [] : texts(attributes["id"])),
  inAttribute("cve"),
];

/** Attributes of a component's name and its version: trivy; nmap; parsers that use DefectDojo's names. */
const COMPONENTS = [
  ["packageName", "installedVersion"],
  ["serviceProduct", "serviceVersion"],
  ["component_name", "component_version"],
] as const;

/**
 * Where the kind of weakness is; the first that has any decides: semgrep, whose references have two digits of it only; ZAP; nuclei, nikto and others.
 */
const CWES: readonly Source[] = [inAttribute("cwe"), inAttribute("zap_cweid"), inReferences(/^CWE$/i)];

/** Attributes of a file and a line in it: gitleaks; parsers that use DefectDojo's names. */
const FILES = [
  ["file", "line_number"],
  ["file_path", "line"],
] as const;

/** The columns with a value for a finding. A value that does not fit is left out: the description has it anyway. */
export function detailsOf(finding: ScanFinding, { full, cwes }: Details): DetailColumns {
  const attributes = finding.attributes ?? {};
  const all = (sources: readonly Source[]) => sources.flatMap((source) => source(finding, attributes));
  const ids = [...new Set(all(VULNERABILITY_IDS).flatMap(vulnerabilityId))].slice(0, MOST_IDS);
  return {
    ...(ids.length === 0 ? {} : { vulnerability_ids: ids }),
    ...componentOf(attributes),
    ...(full ? { ...weaknessOf(finding, attributes, cwes), ...fileOf(finding, attributes) } : {}),
  };
}

/** In DefectDojo's form; wpscan leaves out `CVE-`. */
function vulnerabilityId(text: string): string[] {
  const id = text.trim();
  if (/^\d{4}-\d{4,19}$/.test(id)) return [`CVE-${id}`];
  if (/^cve-\d{4}-\d{4,19}$/i.test(id)) return [id.toUpperCase()];
  return /^(?!CVE-)[A-Z][A-Z\d]{1,15}-(?=.*\d)[\w.:-]{1,32}$/.test(id) ? [id] : [];
}

function componentOf(attributes: Attributes): DetailColumns {
  for (const [nameIn, versionIn] of COMPONENTS) {
    const name = fitting(attributes[nameIn], LONGEST.name);
    if (name === undefined) continue;
    const version = fitting(attributes[versionIn], LONGEST.version);
    return { component_name: name, ...(version === undefined ? {} : { component_version: version }) };
  }
  return {};
}

function weaknessOf(finding: ScanFinding, attributes: Attributes, several: boolean): DetailColumns {
  for (const source of CWES) {
    const numbers = [...new Set(source(finding, attributes).flatMap(cweNumber))];
    const [first] = numbers;
    if (first === undefined) continue;
    return {
      cwe: first,
      ...(several && numbers.length > 1 ? { cwes: numbers.map((number) => `CWE-${number}`) } : {}),
    };
  }
  return {};
}

/** `CWE-89`, `CWE-89: Improper …`, `89`; scanners write 0 and -1 for unknown. */
function cweNumber(text: string): number[] {
  const number = Number(/^(?:CWE-)?(\d{1,7})(?![\d.])/i.exec(text.trim())?.[1] ?? 0);
  return number > 0 ? [number] : [];
}

function fileOf({ location }: ScanFinding, attributes: Attributes): DetailColumns {
  for (const [pathIn, lineIn] of FILES) {
    const path = fitting(attributes[pathIn], LONGEST.path);
    if (path !== undefined) return { file_path: path, ...lineOf(texts(attributes[lineIn])[0]) };
  }
  // semgrep: `path:start-end`
  const [, path, start] = /^(?!.*:\/\/)(.+):(\d+)-\d+$/s.exec(location ?? "") ?? [];
  const fits = fitting(path, LONGEST.path);
  return fits === undefined ? {} : { file_path: fits, ...lineOf(start) };
}

function lineOf(text: string | undefined): DetailColumns {
  const line = /^\d+$/.test(text ?? "") ? Number(text) : 0;
  return line > 0 && line <= LARGEST_LINE ? { line } : {};
}

/** The text of an attribute, if it has one that fits. */
function fitting(value: unknown, longest: number): string | undefined {
  const text = cleanText(texts(value)[0] ?? "").trim();
  return text === "" || text.length > longest ? undefined : text;
}

/** Texts and numbers of a value or a list of them. */
function texts(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => (Array.isArray(item) ? [] : texts(item)));
  if (typeof value === "string") return [value];
  if (typeof value === "number") return [String(value)];
  return isExactNumber(value) ? [value.rawJSON] : [];
}
