import * as z from "zod";

/**
 * The most bad elements to report. An issue of zod takes a kilobyte: one for each of the millions that a file may hold would take far more memory
 * than the file (1.5 GB for 4 MB of `references`).
 */
const MOST = 10;

/** `z.array(element)` that stops after {@link MOST} bad elements. */
export const arrayOf = <T extends z.ZodType>(element: T) =>
  z.array(z.unknown()).transform((items, context): z.output<T>[] => {
    const good: z.output<T>[] = [];
    return check(element, items.entries(), context, (_, value) => good.push(value)) ? good : z.NEVER;
  });

/** Any object but an array. Not `z.record`, which drops a field named `__proto__`. */
const anyRecord = z.custom<Record<string, unknown>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "Invalid input: expected record",
);

/** `z.record(z.string(), value)` that stops after {@link MOST} bad values. */
export const recordOf = <T extends z.ZodType>(value: T) =>
  anyRecord.transform((items, context): Record<string, z.output<T>> => {
    const good: [string, z.output<T>][] = [];
    const fine = check(value, Object.entries(items), context, (name, one) => good.push([name, one]));
    return fine ? Object.fromEntries(good) : z.NEVER;
  });

/** @returns whether all are valid; each is passed to `take` */
function check<K extends string | number, T extends z.ZodType>(
  schema: T,
  items: Iterable<readonly [K, unknown]>,
  context: z.core.$RefinementCtx,
  take: (name: K, value: z.output<T>) => void,
): boolean {
  let bad = 0;
  for (const [name, item] of items) {
    const parsed = schema.safeParse(item);
    if (parsed.success) {
      take(name, parsed.data);
      continue;
    }
    for (const { message, path } of parsed.error.issues)
      context.addIssue({ code: "custom", message, path: [name, ...path] });
    if (++bad === MOST) break;
  }
  return bad === 0;
}
