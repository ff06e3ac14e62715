const WIDTH = 78;

/** Converts HTML to wrapped paragraphs of text, as the Python package html2text does with ZAP's output. */
export function htmlToText(html: string): string {
  const paragraphs = html.split(/<\/?(?:p|div|br)\s*\/?>/i).flatMap((paragraph) => {
    const text = decoded(paragraph.replaceAll(/<[^>]*>/g, ""))
      .replaceAll(/\s+/g, " ")
      .trim();
    return text === "" ? [] : [wrapped(text)];
  });
  return `${paragraphs.join("\n\n")}\n\n`;
}

/** Lines of at most WIDTH characters, broken at spaces and after hyphens; longer words stay whole. */
function wrapped(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const chunk of text.split(/( +|(?<=[^\W\d]{2}-|[^\W\d]-[^\W\d]-)(?=[^\W\d]-?[^\W\d]))/)) {
    if (line !== "" && line.length + chunk.length > WIDTH) {
      lines.push(line.trimEnd());
      line = chunk.trimStart();
    } else line += chunk;
  }
  return [...lines, line.trimEnd()].join("\n");
}

function decoded(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}
