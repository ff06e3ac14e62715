import type { ZodError } from "zod";

const MOST = 20;

/**
 * Every issue of a validation as `path: message`, joined by `; `. Values are not repeated: they may be secrets.
 * @param root name of the parsed value, prefixed to each path
 */
export function describeIssues(error: ZodError, root = ""): string {
  const lines = error.issues.map((issue) => {
    const path = issue.path.reduce<string>(
      (text, part) =>
        typeof part === "number" ? `${text}[${part}]` : text === "" ? String(part) : `${text}.${String(part)}`,
      root,
    );
    return `${path === "" ? "(whole)" : path}: ${issue.message}`;
  });
  const more = lines.length > MOST ? `; and ${lines.length - MOST} more` : "";
  return lines.slice(0, MOST).join("; ") + more;
}
