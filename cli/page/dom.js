// @ts-check
// Elements. Everything that comes from a scan is set as text, never as markup.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="dom.asynciterable" />

/** @typedef {Node | string | number | undefined} Child */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} name
 * @param {Partial<Omit<HTMLElementTagNameMap[T], "style">>} [properties]
 * @param {...Child} children nothing is made of one that is undefined
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(
    ...children.filter((child) => child !== undefined).map((child) => (child instanceof Node ? child : String(child))),
  );
  return made;
}

/**
 * The element of the page with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * A link that leaves the page; plain text where there is no address.
 * @param {string | undefined} href
 * @param {string} text
 */
export const link = (href, text) => (href === undefined ? text : element("a", { href, rel: "noreferrer" }, text));

/**
 * A cell that keeps its role where a narrow window shows rows as cards, with the column's name before it there.
 * @param {string} label
 * @param {string} className
 * @param {...Child} children
 */
export function cell(label, className, ...children) {
  const made = element("td", { className, role: "cell" }, ...children);
  made.dataset["label"] = label;
  return made;
}

/**
 * A table with a caption, in the same manner.
 * @param {string} caption
 * @param {readonly string[]} columns
 * @param {readonly (readonly Child[])[]} rows
 */
export function table(caption, columns, rows) {
  const heads = columns.map((column, index) => {
    const className = typeof rows[0]?.[index] === "number" ? "number" : "";
    return element("th", { scope: "col", role: "columnheader", className }, column);
  });
  const body = rows.map((cells) =>
    element(
      "tr",
      { role: "row" },
      ...cells.map((child, index) => cell(columns[index] ?? "", typeof child === "number" ? "number" : "", child)),
    ),
  );
  const made = element(
    "table",
    { className: "cards" },
    element("caption", { className: "quiet" }, caption),
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...body),
  );
  keepRoles(made);
  return made;
}

/**
 * A table whose rows are laid out as cards is none for a screen reader, unless its parts say what they are.
 * @param {HTMLTableElement | null} made
 */
export function keepRoles(made) {
  made?.setAttribute("role", "table");
  for (const part of made?.querySelectorAll("thead, tbody") ?? []) part.setAttribute("role", "rowgroup");
  for (const row of made?.querySelectorAll("tr") ?? []) row.setAttribute("role", "row");
}

/**
 * Says it below the heading, and to a screen reader.
 * @param {string} text
 */
export function say(text) {
  byId("said").textContent = text;
}
