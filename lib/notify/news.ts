import type { DojoSeverity } from "../model/annotations.ts";
import type { NoticeChange, NoticeFinding, Some } from "../model/notice.ts";
import type { Receipt } from "../model/receipt.ts";
import { byWorst, isAsBad, severityIn } from "../model/severity.ts";
import { countedAs, MISSING, verdictsIn } from "../model/verdicts.ts";
import { cutText } from "../util/text.ts";
import { webUrl } from "../util/web-url.ts";
import { describeChange } from "./changes.ts";

/** The most findings of each kind in a message: chat messages are limited, and so is attention. */
const MOST_SHOWN = 10;
const LONGEST_NAME = 200;

/** A finding of findings.json. */
export interface WrittenFinding {
  readonly name: string;
  readonly severity?: string | null | undefined;
  readonly location?: string | null | undefined;
  readonly attributes?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface News {
  readonly fresh: Some<NoticeFinding>;
  /** Ids of all new findings. */
  readonly freshIds: readonly number[];
  readonly changed: Some<NoticeChange>;
}

/**
 * The news in findings.json and its receipt. Findings are streamed; only ids and what is shown are kept.
 * @param told ids of findings that were sent as new before
 * @param changed the receipt's changes; none if they were sent before
 */
export async function newsOf(
  findings: AsyncIterable<WrittenFinding>,
  told: ReadonlySet<number>,
  changed: Pick<Receipt, "changed" | "changedCount">,
  minimum: DojoSeverity,
): Promise<News> {
  const changes = new Map((changed.changed ?? []).map((change) => [change.findingId, describeChange(change)]));
  const gone = new Map(changes);
  const freshIds: number[] = [];
  const fresh = worst<NoticeFinding>();
  const others = worst<NoticeFinding & NoticeChange>();
  // A receipt lists only the first changes; the others are unknown.
  let unlisted = Math.max(0, (changed.changedCount ?? 0) - changes.size);
  for await (const finding of findings) {
    const shown = toNotice(finding);
    if (shown === undefined) continue;
    const change = changes.get(shown.id);
    gone.delete(shown.id);
    if (!isAsBad(shown.severity, minimum)) continue;
    if (!told.has(shown.id) && isNew(finding)) {
      freshIds.push(shown.id);
      fresh.add(shown);
      if (change === undefined && unlisted > 0) unlisted--;
    } else if (change !== undefined) others.add({ ...shown, change });
  }
  const left = [...gone].map(([id, change]) => ({
    ...{ id, name: `finding ${id}`, severity: undefined, url: "", location: "", change },
  }));
  const room = MOST_SHOWN - others.shown.length;
  return {
    fresh,
    freshIds,
    changed: { count: others.count + left.length + unlisted, shown: [...others.shown, ...left.slice(0, room)] },
  };
}

/** Reactivated findings of a living test are news, too. */
const isNew = ({ attributes }: WrittenFinding) =>
  ["new", "reactivated"].includes(countedAs(verdictsIn(attributes ?? {})));

/** @returns undefined for a finding that DefectDojo does not have */
function toNotice(finding: WrittenFinding): NoticeFinding | undefined {
  const { attributes, name, location } = finding;
  const id = attributes?.["defectdojo.org/finding-id"];
  if (typeof id !== "number" || attributes?.[MISSING.attribute] === true) return undefined;
  return {
    id,
    name: oneLine(name),
    severity: severityIn(finding),
    url: webAddress(attributes?.["defectdojo.org/finding-url"]),
    location: location === "unknown" ? "" : oneLine(location ?? ""),
  };
}

/** A line break in a name would look like another finding. */
const oneLine = (text: string) => cutText(text.replace(/\s+/g, " ").trim(), LONGEST_NAME);

/** @returns "" for what a chat must not make a link of */
export function webAddress(url: unknown): string {
  return webUrl(String(url ?? ""))?.href ?? "";
}

/** Counts all and keeps the worst. */
function worst<T extends NoticeFinding>() {
  const shown: T[] = [];
  let count = 0;
  return {
    shown,
    get count() {
      return count;
    },
    add: (one: T) => {
      count++;
      shown.push(one);
      shown.sort(byWorst);
      if (shown.length > MOST_SHOWN) shown.pop();
    },
  };
}
