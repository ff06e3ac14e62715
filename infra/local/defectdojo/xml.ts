export type Element = {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  /** Text of this element before its first child, as in ElementTree. */
  text: string;
};

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const TOKEN =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<!DOCTYPE(?:[^[>]|\[[\s\S]*?\])*>|<(\/?)([^\s/>]+)((?:[^>"']|"[^"]*"|'[^']*')*?)(\/?)>|([^<]+)/g;
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/** Parses XML: elements, attributes, text, entities and CDATA. Comments, instructions and the DOCTYPE are skipped. */
export function parseXml(source: string): Element {
  const document: Element = { name: "", attributes: {}, children: [], text: "" };
  const open: Element[] = [document];
  let end = 0;
  for (const match of source.matchAll(TOKEN)) {
    if (match.index !== end) break;
    end = match.index + match[0].length;
    const [, cdata, closing, name, attributes, empty, text] = match;
    const current = open.at(-1) ?? document;
    if (text !== undefined || cdata !== undefined) {
      if (current === document && text?.trim() !== "") throw new SyntaxError("text outside of the root element");
      if (current.children.length === 0) current.text += cdata ?? decoded(text ?? "");
    } else if (name !== undefined && closing === "/") {
      if (open.pop()?.name !== name || open.length === 0) throw new SyntaxError(`</${name}> closes nothing`);
    } else if (name !== undefined) {
      const element: Element = { name, attributes: parseAttributes(attributes ?? ""), children: [], text: "" };
      current.children.push(element);
      if (empty !== "/") open.push(element);
    }
  }
  const root = document.children[0];
  if (root === undefined || open.length > 1 || end !== source.length) throw new SyntaxError("not well-formed XML");
  return root;
}

function parseAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = "", double, single] of text.matchAll(ATTRIBUTE))
    attributes[name] = decoded(double ?? single ?? "");
  return attributes;
}

function decoded(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      return ENTITIES[name ?? ""] ?? whole;
    },
  );
}

/** The elements at a path of names. */
export function elements(root: Element, path: string): Element[] {
  let found = [root];
  for (const name of path.split("/")) found = found.flatMap((e) => e.children.filter((child) => child.name === name));
  return found;
}

export function element(root: Element, path: string): Element | undefined {
  return elements(root, path)[0];
}

/** The text of a child, or undefined. */
export function textOf(root: Element, path: string): string | undefined {
  return element(root, path)?.text;
}
