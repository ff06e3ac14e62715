/** The subset of XML that S3 uses: elements and text. Attributes are skipped, documents with a DTD rejected. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Thrown when a request body is malformed or uses unsupported XML. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const NAME = String.raw`[A-Za-z_][\w.:-]*`;
const ATTRIBUTES = String.raw`(?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*`;
const TOKEN = new RegExp(
  [
    String.raw`<\?.*?\?>|<!--.*?-->`,
    String.raw`<!\[CDATA\[(?<cdata>.*?)\]\]>`,
    String.raw`<(?<closing>\/?)(?<name>${NAME})${ATTRIBUTES}\s*(?<empty>\/?)>`,
    "(?<text>[^<]+)",
  ].join("|"),
  "suy",
);
const MAX_DEPTH = 16;

export function parseXml(source: string): XmlElement {
  const root = { name: "", text: "", children: [] as XmlElement[] };
  const open = [root];
  let position = source.startsWith("\uFEFF") ? 1 : 0;
  while (position < source.length) {
    TOKEN.lastIndex = position;
    const token = TOKEN.exec(source);
    const current = open.at(-1);
    if (!token || !current) throw new XmlError(`Unexpected markup at character ${position}`);
    position = TOKEN.lastIndex;
    const { cdata, closing, name, empty, text } = token.groups ?? {};
    if (text !== undefined) current.text += decodeEntities(text.replace(/\r\n?/g, "\n"));
    else if (cdata !== undefined) current.text += cdata;
    else if (name !== undefined && closing) {
      if (open.length === 1 || current.name !== localName(name)) throw new XmlError(`Unexpected </${name}>`);
      open.pop();
    } else if (name !== undefined) {
      const child = { name: localName(name), text: "", children: [] as XmlElement[] };
      current.children.push(child);
      if (!empty) open.push(child);
      if (open.length > MAX_DEPTH) throw new XmlError("Elements are nested too deeply");
    }
  }
  const [only, ...others] = root.children;
  if (open.length > 1 || !only || others.length > 0 || root.text.trim() !== "") {
    throw new XmlError("The document is not one complete element");
  }
  return only;
}

/** The text of the only child with that name, or undefined if there is none. */
export function childText(parent: XmlElement, name: string): string | undefined {
  const [first, second] = parent.children.filter((child) => child.name === name);
  if (second) throw new XmlError(`<${parent.name}> has more than one <${name}>`);
  return first?.text;
}

/** An element with trusted children (strings from this function) or text, which is escaped. */
export function element(name: string, content: string | readonly string[]): string {
  return `<${name}>${typeof content === "string" ? escapeXml(content) : content.join("")}</${name}>`;
}

export function optionalElement(name: string, content: string | undefined): string {
  return content === undefined ? "" : element(name, content);
}

export function xmlDocument(root: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root.replace(/^<(\w+)>/, '<$1 xmlns="http://s3.amazonaws.com/doc/2006-03-01/">')}`;
}

// --- utils ---

function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-fA-F]+)|(\w+));|&/g, (entity, decimal, hex, name) => {
    if (name !== undefined && Object.hasOwn(ENTITIES, name)) return ENTITIES[name] ?? "";
    const code = decimal === undefined ? Number.parseInt(hex ?? "x", 16) : Number(decimal);
    if (!(code <= 0x10ffff)) throw new XmlError(`Unknown entity ${entity}`);
    return String.fromCodePoint(code);
  });
}

/** Control characters, which XML 1.0 does not allow, become character references, as in S3. */
function escapeXml(text: string): string {
  return text.replace(/[&<>"'\p{Cc}]/gu, (character) => `&#${character.charCodeAt(0)};`);
}
