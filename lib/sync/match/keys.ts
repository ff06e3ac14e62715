import type { ScanFinding } from "../../report/findings-file.ts";
import { isExactNumber } from "../../util/exact-number.ts";

/** DefectDojo cuts a title at so many code points, then puts it in title case (`Finding.save`). */
const LONGEST_TITLE = 511;

/** A title in the form common to both sides: cut, in lower case, with single spaces. */
export function titleKey(text: string): string {
  // Code points are only counted if there may be fewer of them than units.
  const cut = text.length <= LONGEST_TITLE ? text : [...text].slice(0, LONGEST_TITLE).join("");
  return words(cut);
}

/** Text without regard to case and white space. By way of upper case, as title case makes `SS` of `ß`. */
export const words = (text: string): string => text.toUpperCase().toLowerCase().replace(/\s+/g, " ").trim();

/** One key from several fields, unambiguously. */
export const key = (...fields: readonly (string | number | null | undefined)[]): string =>
  JSON.stringify(fields.map((field) => (field == null ? "" : String(field))));

/** The values of the lines `**NAME:** value` or `**NAME**: value` of a description, in their order. */
export function stated(description: string, name: string): string[] {
  const starts = [`**${name}:** `, `**${name}**: `];
  return description.split("\n").flatMap((line) => {
    const start = starts.find((each) => line.startsWith(each));
    return start === undefined ? [] : line.slice(start.length);
  });
}

/** A host without brackets, in lower case and ASCII, an IP address in its short form, without a trailing dot. */
export function hostKey(host: string): string {
  const bare = host.trim().replace(/^\[(.*)\]$/, "$1");
  const [name] = bare.split("%");
  const parsed = URL.parse(`http://${name?.includes(":") ? `[${name}]` : bare}`);
  return (parsed?.hostname ?? bare.toLowerCase()).replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

/** DefectDojo adds or omits the port of a scheme (`DEFAULT_PORTS` in its `dojo/url/validators.py`); these occur in scans. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = {
  http: "80",
  ws: "80",
  https: "443",
  wss: "443",
  ftp: "21",
  ssh: "22",
  sftp: "22",
  telnet: "23",
  smtp: "25",
  ldap: "389",
};

export interface Place {
  readonly scheme: string;
  readonly host: string;
  /** Empty for the scheme's default. */
  readonly port: string;
  readonly path: string;
  readonly query: string;
}

/** `scheme://user@host:port/path?query#fragment`, scheme and port optional; IPv6 in brackets. */
const PLACE =
  /^(?:([a-z][a-z\d+.-]*):)?(?:\/\/)?(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:[\]]*)(?::(\d+))?(\/[^?#]*)?(?:\?([^#]*))?/i;

/** The parts of a URL as either side writes it; undefined if it is not a URL. */
export function placeOf(address: string): Place | undefined {
  const text = address.trim();
  // Without `//` a name before a colon is a host, not a scheme.
  const parts = PLACE.exec(/^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `//${text.replace(/^\/\//, "")}`);
  const [, scheme = "", host = "", port = "", path = "", query = ""] = parts ?? [];
  if (host === "") return undefined;
  const lower = scheme.toLowerCase();
  return {
    scheme: lower,
    host: hostKey(host),
    port: DEFAULT_PORTS[lower] === port ? "" : port,
    path: withoutLastSlashes(decoded(path)),
    query: decoded(query.replaceAll("+", " ")),
  };
}

/** Not by a pattern: V8 looks for one at each of many slashes, and an uploader chooses how many there are. */
function withoutLastSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/** A URL as a key: case of scheme and host, default port, encoding and trailing slash make no difference. */
export function addressKey(address: string, withQuery = true): string {
  const place = placeOf(address);
  if (place === undefined) return key("address", address.trim());
  return key(place.scheme, place.host, place.port, place.path, withQuery ? place.query : "");
}

/** Scheme, host and port of a URL. */
export function originKey(address: string): string | undefined {
  const place = placeOf(address);
  return place === undefined ? undefined : key(place.scheme, place.host, place.port);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An attribute of the scanner's finding as text, "" where it is missing. */
export function attribute({ attributes }: ScanFinding, name: string): string {
  const value = attributes?.[name];
  if (isExactNumber(value)) return value.rawJSON;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** The texts in an attribute that is a list. */
export function attributeList({ attributes }: ScanFinding, name: string): string[] {
  const value = attributes?.[name];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
