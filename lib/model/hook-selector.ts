import type { HookSelector } from "./scan.ts";

type Labels = Readonly<Record<string, string>>;
type Expression = NonNullable<HookSelector["matchExpressions"]>[number];

/** One row per operator, as Kubernetes' label selectors define them: NotIn also holds if the label is missing. */
const OPERATORS: Readonly<
  Record<Expression["operator"], (label: string | undefined, values: readonly string[]) => boolean>
> = {
  In: (label, values) => label !== undefined && values.includes(label),
  NotIn: (label, values) => label === undefined || !values.includes(label),
  Exists: (label) => label !== undefined,
  DoesNotExist: (label) => label === undefined,
};

/**
 * Whether a scan's `spec.hookSelector` selects a hook with these labels; a scan without one selects every hook.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function selects(selector: HookSelector | undefined, labels: Labels): boolean {
  const has = (key: string) => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  const matchLabels = Object.entries(selector?.matchLabels ?? {});
  return (
    matchLabels.every(([key, value]) => has(key) === value) &&
    (selector?.matchExpressions ?? []).every(({ key, operator, values }) => OPERATORS[operator](has(key), values ?? []))
  );
}

/**
 * Labels in the form of `DEFECTDOJO_HOOK_LABELS`: `key=value,key=value`.
 * @throws Error naming the part that is not `key=value`
 */
export function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map((part) => {
        const at = part.indexOf("=");
        if (at < 1) throw new Error(`"${part}" is not key=value`);
        return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
      }),
  );
}
