/**
 * A field named `__proto__`, as a scanner tells it of an application that takes one: assigned to an object it would vanish or change what the object
 * inherits, and zod drops it. It goes by another name while the finding is parsed.
 */
const HIDDEN = /^\ue000*__proto__$/;

/** The name that the field has while it is parsed; no two names become one. */
export const hidden = (name: string): string => (HIDDEN.test(name) ? `\ue000${name}` : name);

/** The value with its fields' own names, as own fields. */
export function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [HIDDEN.test(name) ? name.slice(1) : name, shown(item)]),
  );
}
