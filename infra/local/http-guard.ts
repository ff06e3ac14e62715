import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** Names that pass: `*.example.com` matches every subdomain, `*` any name. */
export interface OwnNames {
  /** Names allowed in the Host header, besides loopback names and IP addresses. */
  readonly hosts?: readonly string[];
  /** Names allowed in an Origin that differs from the Host: a proxy that terminates TLS may pass on another Host than the browser sent. */
  readonly origins?: readonly string[];
}

/**
 * Why a request is rejected, or undefined if it is legitimate. A web page in a browser on this machine can reach loopback by a name of its
 * own that resolves to it (DNS rebinding; the Host header reveals it) or by a cross-origin request (the Origin header reveals it).
 */
export function refusal(request: IncomingMessage, { hosts = [], origins = [] }: OwnNames = {}): string | undefined {
  const host = request.headers.host ?? "";
  const name = hostname(host);
  if (name === undefined || !isOwnName(name, hosts))
    return `the Host header names ${JSON.stringify(host.slice(0, 255))}, which is not among ALLOWED_HOSTS`;
  const { origin } = request.headers;
  if (origin === undefined || isOwnOrigin(origin, host, origins)) return undefined;
  return `the Origin ${JSON.stringify(origin.slice(0, 255))} is another site's`;
}

/** An IP address cannot be rebound: only names are resolved. */
function isOwnName(name: string, allowed: readonly string[]): boolean {
  return isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost") || isAllowed(name, allowed);
}

function isAllowed(name: string, allowed: readonly string[]): boolean {
  return allowed.some((entry) => {
    const wanted = entry.toLowerCase();
    return wanted === "*" || wanted === name || (wanted.startsWith("*.") && name.endsWith(wanted.slice(1)));
  });
}

function isOwnOrigin(origin: string, host: string, allowed: readonly string[]): boolean {
  const url = URL.parse(origin);
  if (url === null || url.host === "") return false;
  return url.host === host.toLowerCase() || isAllowed(bare(url.hostname), allowed);
}

/** The name or address in `name[:port]`, or undefined if it is malformed. */
function hostname(host: string): string | undefined {
  const url = /[\s/?#@\\]/.test(host) ? null : URL.parse(`http://${host}`);
  return url === null ? undefined : bare(url.hostname);
}

/** Without the brackets of IPv6 and the trailing dot of an absolute name. */
const bare = (name: string) => name.replace(/^\[|\]$|\.$/g, "").toLowerCase();
