import type { ScanFinding } from "../../report/findings-file.ts";
import {
  addressKey,
  attribute,
  attributeList,
  hostKey,
  key,
  originKey,
  placeOf,
  stated,
  titleKey,
  words,
} from "./keys.ts";
import type { DojoFacts, MatchRow } from "./row.ts";

/** An entry of a nikto finding's description; DefectDojo joins those of one message. `id` may be a number with leading zeros. */
const NIKTO_ENTRY = /\*\*id:\*\* `([^`]*)`\n\*\*msg:\*\* `(.*?)`\n\*\*HTTP Method:\*\* `([^`]*)`/gs;

/**
 * `dojo/tools/nikto/json_parser.py`: one finding a message, with all its ids, methods and paths; `scanners/nikto/parser`: one a line.
 * The severity is Info but where OSVDB knew the entry, which nikto no longer says.
 */
export const nikto: MatchRow = {
  severity: () => "Info",
  scanner: (finding) => ({
    keys: [
      key("entry", Number(attribute(finding, "niktoId")), finding.name.trimEnd(), attribute(finding, "method")),
      key("title", titleKey(finding.name)),
    ],
    hints: [pathHint(finding.location ?? "")],
  }),
  dojo: ({ title, description, locations }) => ({
    keys: [
      ...[...description.matchAll(NIKTO_ENTRY)].map(([, id, message, method]) =>
        key("entry", Number(id), message?.trimEnd(), method),
      ),
      key("title", titleKey(title)),
    ],
    hints: locations.map(pathHint),
  }),
};

const pathHint = (address: string) => placeOf(address)?.path ?? "";

/** `dojo/tools/zap/parser.py` and `scanners/zap-automation-framework/parser`: one finding an alert of a site on both sides, in the report's order. */
export const zap: MatchRow = {
  scanner: (finding) => {
    const uris = zapUris(finding);
    const rule = [attribute(finding, "zap_pluginid"), titleKey(finding.category || finding.name)];
    const origins = [...new Set([...uris, finding.location ?? ""].map(originKey))];
    return {
      keys: [
        ...origins.flatMap((origin) => (origin === undefined ? [] : key(...rule, origin))),
        // An alert without instances has no location in DefectDojo.
        key(...rule),
      ],
      hints: uris.map((uri) => addressKey(uri, false)),
    };
  },
  dojo: ({ title, vulnIdFromTool, locations }) => {
    const rule = [vulnIdFromTool, titleKey(title)];
    const origins = new Set(locations.map(originKey));
    return {
      keys: locations.length === 0 ? [key(...rule)] : [...origins].map((origin) => key(...rule, origin)),
      hints: locations.map((location) => addressKey(location, false)),
    };
  },
};

function zapUris({ attributes }: ScanFinding): string[] {
  const instances = attributes?.["zap_finding_urls"];
  if (!Array.isArray(instances)) return [];
  return instances.flatMap((instance: unknown) => {
    const uri = typeof instance === "object" && instance !== null && "uri" in instance ? instance.uri : undefined;
    return typeof uri === "string" ? uri : [];
  });
}

/**
 * `dojo/tools/nuclei/parser.py`: one finding for template, type, matcher and host, and no host is seen in an address without scheme, so that
 * one finding may have several hosts; `scanners/nuclei/parser`: one a result.
 */
export const nuclei: MatchRow = {
  scanner: (finding) => {
    // secureCodeBox keeps no template of reports before nuclei 2.4: only the name is left.
    const template = attribute(finding, "template_id") || finding.category;
    const rule = key(template || titleKey(finding.name), attribute(finding, "matcher_name"));
    const matched = attribute(finding, "matched_at");
    const hosts = [matched, finding.location ?? "", attribute(finding, "hostname")].map((at) => placeOf(at)?.host);
    return {
      keys: [
        ...hosts.flatMap((host) => (host === undefined ? [] : key(rule, host))),
        // If DefectDojo could not read a location from the match.
        key(rule),
      ],
      hints: [addressKey(matched)],
    };
  },
  dojo: ({ title, vulnIdFromTool, componentName, locations }) => {
    const rules = [key(vulnIdFromTool, componentName), key(titleKey(title), componentName)];
    const hosts = [...new Set(locations.map((location) => placeOf(location)?.host))];
    return {
      keys: rules.flatMap((rule) => (hosts.length === 0 ? key(rule) : hosts.map((host) => key(rule, host)))),
      hints: locations.map((location) => addressKey(location)),
    };
  },
};

/** What follows the facts that both sides have in a description of `dojo/tools/ffuf/parser.py`. */
const FFUF_REST = /\n\*\*(?:Content type|Redirects to|Command):\*\* .*$/s;

/** `dojo/tools/ffuf/parser.py` and `scanners/ffuf/parser`: one finding a result on both sides, in the report's order. */
export const ffuf: MatchRow = {
  severity: () => "Info",
  scanner: (finding) => {
    const url = finding.location ?? "";
    return { keys: [key("all", ffufDescription(finding)), key("url", url), addressKey(url)] };
  },
  dojo: ({ description, locations }) => ({
    keys: [
      key("all", description.replace(FFUF_REST, "")),
      ...stated(description, "URL").map((url) => key("url", url)),
      ...locations.map((location) => addressKey(location)),
    ],
  }),
};

/** DefectDojo's description of a result, as far as the scanner's finding has it. */
function ffufDescription(finding: ScanFinding): string {
  const input = finding.attributes?.["input"];
  const payloads = typeof input === "object" && input !== null ? Object.entries(input) : [];
  const parts = [`**URL:** ${finding.location ?? ""}`, `**Status:** ${attribute(finding, "httpStatus")}`];
  for (const [name, value] of payloads.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name !== "FFUFHASH") parts.push(`**${name === "FUZZ" ? "Payload" : `Payload (${name})`}:** ${String(value)}`);
  }
  for (const name of ["length", "words", "lines"]) {
    const value = attribute(finding, name);
    if (value !== "") parts.push(`**Response ${name}:** ${value}`);
  }
  return parts.join("\n");
}

/** `dojo/tools/whatweb/parser.py` and `scanners/whatweb/parser`: one finding a target on both sides, in the report's order. */
export const whatweb: MatchRow = {
  severity: () => "Info",
  scanner: ({ name, location }) => ({ keys: [key("url", location || name), addressKey(location || name)] }),
  dojo: ({ description, locations }) => ({
    keys: [
      ...stated(description, "URL").map((url) => key("url", url)),
      ...locations.map((location) => addressKey(location)),
    ],
  }),
};

/**
 * `dojo/tools/wpscan/parser.py`: interesting findings, and vulnerabilities of plugins and of WordPress itself; `scanners/wpscan/parser`: a
 * summary that DefectDojo has no finding for, interesting findings, and vulnerabilities of plugins.
 */
export const wpscan: MatchRow = {
  severity: ({ category }) => (category === "WordPress Plugin" ? "Medium" : "Info"),
  scanner: (finding) => {
    const { category, name, description, location } = finding;
    if (category === "WordPress Service") return undefined;
    if (category === "WordPress Plugin") {
      const slug = /vulnerability in '(.*)'$/s.exec(name)?.[1];
      return { keys: [key("plugin", titleKey(description ?? ""), slug)] };
    }
    const type = category?.replace(/^WordPress /, "");
    const title = titleKey(`Interesting finding: ${description ?? ""}`);
    return { keys: [key("interesting", title, type, location), key("interesting", title)] };
  },
  dojo: ({ title, description, componentName }) => {
    const [type, url] = ["Type", "Url"].map((name) => stated(description, name)[0]?.replaceAll("`", ""));
    if (type === undefined) return { keys: [key("plugin", titleKey(title), componentName)] };
    return { keys: [key("interesting", titleKey(title), type, url), key("interesting", titleKey(title))] };
  },
};

/**
 * `dojo/tools/sslyze/parser_json.py`: one finding a weak protocol and host, one for all certificates of a host; `scanners/sslyze/parser`: a
 * summary, one finding a weak protocol, one for each certificate that is not trusted, by rules of its own.
 */
export const sslyze: MatchRow = {
  severity: () => "Medium",
  scanner: (finding) => {
    const at = words(`(${finding.location ?? ""})`);
    const version = attribute(finding, "outdated_version");
    if (version !== "") return { keys: [`${words(version)} not recommended ${at}`] };
    if (finding.category !== "Invalid Certificate") return undefined;
    return { keys: [`problems in certificate deployments ${at}`], maybe: true };
  },
  dojo: ({ title }) => ({ keys: [titleKey(title)] }),
};

/**
 * `dojo/tools/kubehunter/parser.py` and `scanners/kube-hunter/parser`: one finding a vulnerability; where it lies is the same on both sides but
 * for those of a pod, which secureCodeBox puts onto a node.
 */
export const kubeHunter: MatchRow = {
  scanner: (finding) => ({
    keys: [
      key(
        titleKey(finding.name),
        attribute(finding, "kubeHunterRule"),
        finding.category,
        words(finding.description ?? ""),
      ),
    ],
    hints: [words((finding.location ?? "").replace(/^tcp:\/\//, ""))],
  }),
  dojo: ({ title, description }) => {
    const [hunter, category, location] = ["Hunter", "Category", "Location"].map((name) => stated(description, name)[0]);
    const said = description.slice(description.indexOf("**Description**:\n") + "**Description**:\n".length);
    return { keys: [key(titleKey(title), hunter, category, words(said))], hints: [words(location ?? "")] };
  },
};

const SSH_KIND = /SSH (?:KEX|Key|MAC) Algorithms/;

/**
 * `dojo/tools/ssh_audit/parser.py`: one finding for each algorithm of key exchange, host key and MAC that has a failure or a warning;
 * `scanners/ssh-audit/parser`: one finding for each recommendation, of many algorithms, those of encryption and those to be added too.
 */
export const sshAudit: MatchRow = {
  severity: ({ severity }) => (severity === "HIGH" ? "High" : "Medium"),
  scanner: (finding) => {
    const { name, category, location } = finding;
    if (category !== "SSH Policy Violation" || !SSH_KIND.test(name) || / be added$/.test(name)) return undefined;
    const host = hostKey((location ?? "").replace(/^ssh:\/\//, ""));
    const algorithms = attributeList(finding, "algorithms").map((algorithm) =>
      algorithm.replace(/ \(Note: .*\)$/s, ""),
    );
    return { keys: algorithms.map((algorithm) => key(host, algorithm)), parts: true, maybe: true };
  },
  dojo: ({ description, locations }: DojoFacts) => {
    const [algorithm] = stated(description, "Algorithm");
    if (algorithm === undefined) return { keys: [] };
    return { keys: locations.map((location) => key(placeOf(location)?.host, algorithm)) };
  },
};
