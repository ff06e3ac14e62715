import { object, optionalArray, string } from "./read.ts";

type Fields = Record<string, unknown>;

/** `get_message_from_multiformatMessageString`: a text, or the rule's text with that id and its arguments filled in. */
export function messageText(message: Fields, rule: Fields | undefined): string | undefined {
  if (rule === undefined || message.id === undefined)
    return message.text === undefined ? undefined : string(message.text);
  let text = string(object(object(rule.messageStrings)[string(message.id)]).text);
  const given = optionalArray(message.arguments);
  for (let n = 0; n < 6; n++) {
    if (!text.includes(`{${n}}`)) return text;
    text = text.replaceAll(`{${n}}`, string(given[n]));
  }
  return undefined;
}

/** Where Python's `textwrap` breaks a word: after a hyphen between letters. */
const HYPHEN = /(?<=[\p{L}_]{2}-|[\p{L}_]-[\p{L}_]-)(?=[\p{L}_]-?[\p{L}_])/u;

/** Python's `textwrap.shorten`: whole words within the length, and a placeholder for omitted ones. */
export function shortened(text: string, length: number): string {
  const words = text.trim().split(/\s+/);
  const whole = words.join(" ");
  if (whole.length <= length) return whole;
  const placeholder = " [...]";
  let kept = "";
  for (const chunk of words.flatMap((word, index) => [...(index === 0 ? [] : [" "]), ...word.split(HYPHEN)])) {
    if (kept.length + chunk.length + placeholder.length > length) break;
    kept += chunk;
  }
  kept = kept.trimEnd();
  return `${kept}${placeholder}`.trim();
}

/** The snippet of the region, else of its context. */
export function snippetOf(location: Fields | undefined): string | undefined {
  if (location?.physicalLocation === undefined) return undefined;
  const physical = object(location.physicalLocation);
  for (const region of [physical.region, physical.contextRegion]) {
    const text = region === undefined ? undefined : object(object(region).snippet ?? {}).text;
    if (text !== undefined) return string(text);
  }
  return undefined;
}

/** `get_codeFlowsDescription`: the steps of the last flow. */
export function codeFlows(result: Fields): string {
  const flows = optionalArray(result.codeFlows).flatMap((flow) => optionalArray(object(flow).threadFlows).map(object));
  const last = flows.filter((flow) => flow.locations !== undefined).at(-1);
  if (last === undefined) return "";
  const steps = optionalArray(last.locations).map((step, index) => {
    const location = object(object(step).location ?? {});
    const physical = object(location.physicalLocation ?? {});
    const region = object(physical.region ?? {});
    const place = [
      region.startLine === undefined ? "" : `:L${region.startLine}`,
      region.startColumn === undefined ? "" : `:C${region.startColumn}`,
      region.snippet === undefined ? "" : `\t-\t${string(object(region.snippet).text, "None")}`,
    ].join("");
    const message = object(location.message ?? {});
    const said = location.message === undefined ? "" : `\t${string(message.markdown ?? message.text)}\n`;
    return `${index + 1}. ${string(object(physical.artifactLocation).uri, "None")}${place}\n${said}`;
  });
  return `**Code flow:**\n${steps.join("")}`;
}

export function tagsOf(value: Fields | undefined): string[] {
  return value === undefined ? [] : optionalArray(object(value.properties ?? {}).tags).map((tag) => string(tag));
}

const cweIn = (text: string) => {
  const found = /cwe-(\d+)/i.exec(text)?.[1];
  return found === undefined ? [] : [Number(found)];
};

/** `get_rule_cwes`: from the relationships, else the properties, else the tags. */
export function ruleCwes(rule: Fields): number[] {
  if (Array.isArray(rule.relationships))
    return rule.relationships.flatMap((one) => cweIn(string(object(object(one).target).id)));
  const own = object(rule.properties ?? {}).cwe;
  if (own !== undefined) return [own].flat().flatMap((one) => cweIn(string(one)));
  return tagsOf(rule).flatMap(cweIn);
}

/** `get_result_cwes_taxa` */
export function taxaCwes(result: Fields): number[] {
  if (!Array.isArray(result.taxa)) return [];
  return result.taxa.map(object).flatMap((taxon) => {
    if (object(taxon.toolComponent ?? {}).name !== "CWE" || !taxon.id) return [];
    const id = Number(taxon.id);
    return Number.isInteger(id) ? [id] : cweIn(`CWE-${taxon.id}`);
  });
}

/** `unique_id_from_tool`: the first fingerprint, else all partial fingerprints in order, each in its last version. */
export function fingerprint({ fingerprints, partialFingerprints }: Fields): string | null {
  const whole = Object.entries(object(fingerprints ?? {}));
  if (whole.length > 0) return latest(whole)[0]?.[1] ?? null;
  const partial = Object.entries(object(partialFingerprints ?? {}));
  if (partial.length === 0) return null;
  return latest(partial)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([method, value]) => `${method}:${value}`)
    .join("|");
}

function latest(values: readonly (readonly [string, unknown])[]): [string, string][] {
  const found = new Map<string, { version: number; value: string }>();
  for (const [key, given] of values) {
    const parts = key.split("/");
    const method = parts.length > 1 ? (parts.at(-2) ?? "") : key;
    const version = parts.length > 1 ? Number((parts.at(-1) ?? "").replaceAll("v", "")) : 0;
    const value = typeof given === "object" && given !== null ? string(object(given).value) : string(given);
    const known = found.get(method);
    if (known === undefined || known.version < version) found.set(method, { version, value });
  }
  return [...found].map(([method, { value }]) => [method, value]);
}
