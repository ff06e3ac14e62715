import type { ScanFinding } from "../../report/findings-file.ts";
import { toGenericFinding, uniqueIdOf } from "../../report/to-generic-finding.ts";
import { addressKey, attribute, attributeList, hostKey, key, placeOf, stated, titleKey, words } from "./keys.ts";
import type { DojoFacts, MatchRow } from "./row.ts";

/** Findings in a report that the relay made: DefectDojo returns their id, or their position if they have none. */
export const generic: MatchRow = {
  scanner: (finding, index) => ({ keys: [uniqueIdOf(finding, index)] }),
  dojo: ({ uniqueIdFromTool }) => ({ keys: uniqueIdFromTool === undefined ? [] : [uniqueIdFromTool] }),
};

/** Dates do not identify a finding. */
const ANY_TIME = new Date(0);

/**
 * The same in a living test, where a finding keeps the id and position of the run that found it first: DefectDojo recognises it by title and
 * description (its hash of generic findings), and so do we.
 */
export const livingGeneric: MatchRow = {
  scanner: (finding, index) => {
    const { title, description, endpoints = [] } = toGenericFinding(finding, index, ANY_TIME).generic;
    const id = uniqueIdOf(finding, index);
    const keys = [contentKey(title, description), ...(finding.id ? [id] : [])];
    return { keys, hints: [id, ...endpoints.map((url) => addressKey(url))] };
  },
  dojo: ({ title, description, uniqueIdFromTool, locations }) => {
    const ids = uniqueIdFromTool === undefined ? [] : [uniqueIdFromTool];
    const hints = [...ids, ...locations.map((url) => addressKey(url))];
    return { keys: [contentKey(title, description), ...ids], hints };
  },
};

const contentKey = (title: string, description: string) => key("content", titleKey(title), words(description));

/**
 * `dojo/tools/nmap/parser.py`: one finding an open port of all hosts and protocols, a description for each of them; hosts, other states and
 * scripts are no findings there. `scanners/nmap/parser`: one an open or filtered port of a host, one a host, some for scripts.
 * DefectDojo's host is the first name of type PTR, secureCodeBox's the first of any type, so that addresses are asked for too.
 */
export const nmap: MatchRow = {
  severity: () => "Info",
  scanner: (finding) => {
    if (finding.category !== "Open Port" || attribute(finding, "state") !== "open") return undefined;
    const [protocol, port] = [attribute(finding, "protocol"), attribute(finding, "port")];
    const hosts = [...attributeList(finding, "ip_addresses"), attribute(finding, "hostname")];
    return { keys: hosts.filter((host) => host !== "").map((host) => key(hostKey(host), protocol, port)) };
  },
  dojo: ({ title, description, locations }) => ({
    keys: [
      ...description.split("### Host\n").flatMap(nmapPortKeys),
      // Results of the script vulners have the port's location too.
      ...(/^open port: /i.test(title) ? locations : []).flatMap((location) => {
        const place = placeOf(location);
        return place === undefined ? [] : key(place.host, place.scheme, place.port);
      }),
    ],
  }),
};

/** The names and addresses of a host, and its port, of one part of a description. */
function nmapPortKeys(part: string): string[] {
  const head = /^([\s\S]*?)\*\*Port\/Protocol:\*\* (\d+)\/(\S+)/.exec(part);
  if (head === null) return [];
  const [, host = "", port, protocol] = head;
  const names = host.matchAll(/^\*\*(?:IP Address|PTR|user):\*\* (\S+)$/gm);
  return [...names].map(([, name = ""]) => key(hostKey(name), protocol, port));
}

/**
 * `dojo/tools/trivy/parser.py`: one finding a vulnerability, misconfiguration, secret and licence of each target; `scanners/trivy/parser`: one a
 * vulnerability, of a cluster's resource one a misconfiguration too. Both in the report's order; paths of a package are only in DefectDojo's.
 */
export const trivy: MatchRow = {
  scanner: (finding) => {
    const foundIn = attribute(finding, "foundIn");
    const target = /^Target: '(.*?)'(?: \/ (?:Class|Type): '|$)/s.exec(foundIn)?.[1] ?? foundIn;
    const id = attribute(finding, "vulnerabilityId") || attribute(finding, "id");
    const hints = trivyResource(finding.location ?? "");
    if (finding.category === "Misconfiguration") return { keys: [key("misconfiguration", words(id), target)], hints };
    const [name, version] = [attribute(finding, "packageName"), attribute(finding, "installedVersion")];
    // Before 2021 secureCodeBox did not name the target.
    if (target === "") return { keys: [key("anywhere", id, name, version)], hints };
    return { keys: [key(id, name, version, target), key(words(`${id} ${name} ${version}`), target)], hints };
  },
  dojo: ({ title, description, componentName, componentVersion, vulnerabilityIds, service, filePath }) => {
    const target = stated(description, "Target")[0] ?? filePath;
    // An import may give all findings its own service, which does not identify them.
    const hints = service === undefined ? [] : [service];
    if (componentName === undefined) {
      const id = words(title.split(" - ", 1)[0] ?? "");
      return { keys: [key("misconfiguration", id, target)], hints };
    }
    const ids = vulnerabilityIds.flatMap((id) => [
      key(id, componentName, componentVersion, target),
      key("anywhere", id, componentName, componentVersion),
    ]);
    return { keys: [...ids, key(words(title), target)], hints };
  },
};

/** `scb://trivy/?ClusterName=…&Namespace=…&Kind=…&Name=…` from DefectDojo's service; empty outside a cluster. */
function trivyResource(location: string): string[] {
  const query = location.split("?", 2)[1] ?? "";
  const fields = new Map(query.split("&").map((field) => field.split("=", 2) as [string, string]));
  const resource = ["Namespace", "Kind", "Name"].flatMap((name) => fields.get(name) || []).join(" / ");
  return resource === "" ? [] : [resource];
}

/** `dojo/tools/gitleaks/parser.py`: one finding for title, secret and line; `scanners/gitleaks/parser`: one a leak. */
export const gitleaks: MatchRow = {
  severity: () => "High",
  scanner: (finding) => {
    const [file, line] = [attribute(finding, "file"), lineKey(attribute(finding, "line_number"))];
    const title = titleKey(`Hard coded ${attribute(finding, "description")} found in ${file}`);
    return {
      keys: [key(title, file, line, attribute(finding, "offender").trim()), key(file, line, finding.name)],
      hints: [attribute(finding, "commit").replace(/^.*\//, "")],
    };
  },
  dojo: ({ title, description, filePath, line }) => ({
    keys: [
      key(titleKey(title), filePath, lineKey(line), gitleaksSecret(description)),
      // Version 7 of gitleaks has a reason.
      ...["Rule Id", "Reason"]
        .flatMap((name) => stated(description, name))
        .map((rule) => key(filePath, lineKey(line), rule)),
    ],
    hints: ["Commit hash", "Commit Hash"].flatMap((name) => stated(description, name)),
  }),
};

const lineKey = (line: string | number | undefined) => (line === undefined || line === "" ? "0" : String(line));

/** A secret may have several lines; what follows it in a description is one of these. */
const AFTER_SECRET = /\n\*\*(?:Match|Commit message|Commit hash|Commit date|Rule Id):\*\*/;

function gitleaksSecret(description: string): string {
  const start = "**Secret:** ";
  if (!description.startsWith(start)) return "";
  return (description.slice(start.length).split(AFTER_SECRET, 1)[0] ?? "").trim();
}

/** `dojo/tools/semgrep/parser.py`: one finding for rule, file and line; `scanners/semgrep/parser`: one a result, `path:start-end`. */
export const semgrep: MatchRow = {
  scanner: ({ name, location }) => {
    const [, path, line] = /^(.*):(\d+)-\d+$/s.exec(location ?? "") ?? [];
    return { keys: [key(name, path, line)] };
  },
  dojo: ({ vulnIdFromTool, filePath, line }: DojoFacts) => ({ keys: [key(vulnIdFromTool, filePath, line)] }),
};

/** `dojo/tools/cyclonedx`: the vulnerabilities of a bill of materials; `scanners/trivy-sbom/parser`: the bill itself. */
export const cyclonedx: MatchRow = {
  scanner: (_finding: ScanFinding) => undefined,
  dojo: () => ({ keys: [] }),
};
