import { countOf } from "../util/text.ts";
import type { DojoSeverity } from "./annotations.ts";
import type { FindingCounts } from "./verdicts.ts";

/** A finding as a message shows it. */
export interface NoticeFinding {
  readonly id: number;
  readonly name: string;
  readonly severity: DojoSeverity;
  /** In DefectDojo, for people. */
  readonly url: string;
  readonly location: string;
}

/** A finding whose verdict somebody changed. */
export interface NoticeChange extends Omit<NoticeFinding, "severity"> {
  /** Undefined if the finding is gone. */
  readonly severity: DojoSeverity | undefined;
  /** In words: `now false positive`. */
  readonly change: string;
}

/** Some of many. */
export interface Some<T> {
  readonly count: number;
  /** The worst of them. */
  readonly shown: readonly T[];
}

/** A message about one receipt. */
export interface Notice {
  /** The same for the same news: a receiver can use it to drop duplicates. */
  readonly id: string;
  readonly title: string;
  readonly scan: { readonly name: string; readonly scanType: string; readonly importedAs: string };
  readonly product: string;
  readonly engagement: string;
  readonly test: { readonly name: string; readonly url: string };
  /** `s3://bucket/key` */
  readonly findings: string;
  readonly counts: FindingCounts;
  readonly fresh: Some<NoticeFinding>;
  readonly changed: Some<NoticeChange>;
}

/** Placeholders of NOTIFY_TITLE: one row each. */
export const TITLE_PARTS: Readonly<Record<string, (notice: Omit<Notice, "title" | "id">) => string | number>> = {
  new: ({ fresh }) => fresh.count,
  changed: ({ changed }) => changed.count,
  product: ({ product }) => product,
  engagement: ({ engagement }) => engagement,
  scan: ({ scan }) => scan.name,
  scanType: ({ scan }) => scan.scanType,
  test: ({ test }) => test.name,
};

/** Each `{NAME}` that is not a placeholder. */
export const unknownParts = (template: string): string[] =>
  [...template.matchAll(/\{(\w*)\}/g)].flatMap(([, name = ""]) => (Object.hasOwn(TITLE_PARTS, name) ? [] : [name]));

/** The title from the operator's template, else the built-in one. */
export function titleOf(notice: Omit<Notice, "title" | "id">, template: string | undefined): string {
  if (template !== undefined)
    return template.replace(/\{(\w+)\}/g, (part, name: string) => String(TITLE_PARTS[name]?.(notice) ?? part));
  const { fresh, changed, product, scan } = notice;
  const parts = [
    ...(fresh.count > 0 ? [countOf(fresh.count, "new finding")] : []),
    ...(changed.count > 0 ? [countOf(changed.count, "changed verdict")] : []),
  ];
  return `${parts.join(" and ")} in ${product} (${scan.name})`;
}
