import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";

const PAGES = globSync(["*.md", "docs/**/*.md", ".github/**/*.md"]);
const withoutCode = (text: string) => text.replaceAll(/^```[\s\S]*?^```/gm, "");

/** The anchors of a page's headings, as GitHub names them. */
function anchors(page: string): Set<string> {
  const headings = withoutCode(readFileSync(page, "utf8")).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

it.each(PAGES)("the links of %s lead to pages and headings that exist", (page) => {
  const links = [...withoutCode(readFileSync(page, "utf8")).matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)/g)];
  const broken = links.flatMap(([link, path = "", anchor]) => {
    const target = path === "" ? page : normalize(join(dirname(page), path));
    const found = existsSync(target) && (anchor === undefined || anchors(target).has(anchor));
    return found ? [] : [link];
  });
  expect(broken).toEqual([]);
});
