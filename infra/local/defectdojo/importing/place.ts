import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import type { Place } from "../model.ts";

/** Default ports (`dojo/url/validators.py`). */
const DEFAULT_PORTS: Record<string, number> = {
  ftp: 21,
  ssh: 22,
  sftp: 22,
  telnet: 23,
  smtp: 25,
  tftp: 69,
  http: 80,
  pop3: 110,
  nntp: 119,
  imap: 143,
  ldap: 389,
  https: 443,
  smb: 445,
  rtsp: 554,
  nntps: 563,
  smtps: 465,
  submission: 587,
  ldaps: 636,
  ftps: 990,
  imaps: 993,
  pop3s: 995,
  rdp: 3389,
  vnc: 5900,
  sip: 5060,
  sips: 5061,
  mqtt: 1883,
  mqtts: 8883,
  irc: 194,
  snmp: 161,
  ipp: 631,
};

const URL_PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const AUTHORITY = /^(?:([^@/?#]*)@)?(?:\[([^[\]/?#]*)\]|([^:/?#[\]]*))(?::(.*))?$/s;

/** Splits a URL like the hyperlink library; throws an Error with that library's message if it is invalid. */
function parsePlace(text: string): Place {
  const [, scheme = "", authority = "", path = "", query = "", fragment = ""] = URL_PARTS.exec(text) ?? [];
  const parts = AUTHORITY.exec(authority);
  if (parts === null) throw new Error(`unable to parse host from ${authority}`);
  const [, userinfo = "", ipv6, plain = "", port] = parts;
  if (port === "") throw new Error("port must not be empty: ':'");
  if (port !== undefined && !/^\d+$/.test(port)) throw new Error(`expected integer for port, not '${port}'`);
  return {
    protocol: scheme.toLowerCase(),
    userinfo,
    host: (ipv6 ?? plain).toLowerCase(),
    port: port === undefined ? (DEFAULT_PORTS[scheme.toLowerCase()] ?? null) : Number(port),
    path: withoutDots(path.replace(/^\//, "")),
    query,
    fragment,
  };
}

function withoutDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  return kept.join("/");
}

/** A DefectDojo 3.x location from the text of a report; undefined if DefectDojo skips it. */
export function locationFrom(text: string): Place | undefined {
  try {
    const place = parsePlace(text);
    if (place.host === "") return undefined;
    if (place.port !== null && (place.port < 1 || place.port > 65535)) return undefined;
    return cleanLocation({ ...place, query: decodeURIComponentOrKeep(place.query.replaceAll("+", " ")) });
  } catch {
    return undefined;
  }
}

export function cleanLocation(place: Place): Place {
  const protocol = place.protocol.toLowerCase();
  return {
    protocol,
    userinfo: place.userinfo.trim(),
    host: hasBadHost(place.host) ? place.host.toLowerCase() : asciiHost(place.host),
    port: place.port ?? DEFAULT_PORTS[protocol] ?? null,
    path: place.path.trim().replace(/^\//, "").slice(0, 2048),
    query: place.query.trim().replace(/^\?/, "").slice(0, 2048),
    fragment: place.fragment.trim().replace(/^#/, "").slice(0, 2048),
  };
}

/** `host_validation_failure`: a host that is neither an IP address nor a valid IDNA name. */
export function hasBadHost(host: string): boolean {
  if (isIP(host) > 0) return false;
  const ascii = domainToASCII(host);
  return ascii === "" || !ascii.split(".").every((label) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label));
}

function asciiHost(host: string): string {
  return isIP(host) > 0 ? host : domainToASCII(host);
}

/** `location_value`, percent-encoded, without default port and password. */
export function locationValue(place: Place): string {
  const host = isIP(place.host) === 6 ? `[${place.host}]` : place.host;
  const user = place.userinfo === "" ? "" : `${place.userinfo.replace(/:.*$/s, ":")}@`;
  const port = place.port === null || DEFAULT_PORTS[place.protocol] === place.port ? "" : `:${place.port}`;
  const path = place.path === "" ? "" : `/${encoded(place.path)}`;
  const query = place.query === "" ? "" : `?${encoded(place.query)}`;
  const fragment = place.fragment === "" ? "" : `#${encoded(place.fragment)}`;
  const scheme = place.protocol === "" ? "" : `${place.protocol}://`;
  return `${scheme}${user}${host}${port}${path}${query}${fragment}`.slice(0, 2048);
}

function encoded(text: string): string {
  return encodeURI(text.toWellFormed()).replaceAll(/%25([0-9a-f]{2})/gi, (_, hex: string) => `%${hex.toUpperCase()}`);
}

function decodeURIComponentOrKeep(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An endpoint, the predecessor of locations; throws an Error if DefectDojo rejects the report. */
export function endpointFrom(text: string): Place {
  const place = parsePlace(text);
  return {
    ...place,
    userinfo: decodeURIComponentOrKeep(place.userinfo),
    path: decodeURIComponentOrKeep(place.path).replace(/^\/+/, "").slice(0, 500),
    query: decodeURIComponentOrKeep(place.query.replaceAll("+", " ")).slice(0, 1000),
    fragment: decodeURIComponentOrKeep(place.fragment).slice(0, 500),
  };
}
