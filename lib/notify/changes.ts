import type { Receipt } from "../model/receipt.ts";
import { VERDICTS } from "../model/verdicts.ts";
import { sha256 } from "../util/digest.ts";

type Change = NonNullable<Receipt["changed"]>[number];

const LABELS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(VERDICTS.map(({ attribute, label }) => [attribute, label])),
  falsePositive: "false positive",
  duplicate: "duplicate",
};

/** A change of a receipt in words. */
export function describeChange({ from, to }: Pick<Change, "from" | "to">): string {
  if (to.length === 0) return "no longer in DefectDojo";
  const [came, went] = [to.filter((word) => !from.includes(word)), from.filter((word) => !to.includes(word))];
  const verdicts = (words: readonly string[]) =>
    words.flatMap((word) => LABELS[word] ?? []).filter((label) => label !== "inactive");
  const [now, before] = [verdicts(came), verdicts(went)];
  const said = [
    ...(now.length > 0 ? [`now ${now.join(", ")}`] : []),
    ...(before.length > 0 ? [`no longer ${before.join(", ")}`] : []),
  ];
  if (said.length > 0) return said.join("; ");
  if (from.length === 0) return "new in this scan";
  if (came.includes("active")) return "active again";
  return `${went.join(", ")} → ${came.join(", ")}`;
}

/** Identifies a list of changes; undefined if there are none. */
export function changesKey({ changed = [], changedCount = 0 }: Receipt): string | undefined {
  return changedCount === 0 ? undefined : sha256(JSON.stringify([changed, changedCount])).slice(0, 32);
}
