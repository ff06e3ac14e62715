/**
 * A field named `__proto__`, which a scanner may report of a vulnerable application: assigned to an object it would vanish or change what the object
 * inherits, and zod drops it. It is renamed while the finding is parsed.
 */
const HIDDEN = /^\ue000*__proto__$/;

/** The temporary name of the field during parsing; different names stay different. */
export const hidden = (name: string): string => (HIDDEN.test(name) ? `\ue000${name}` : name);

/** The value with its fields' own names, as own fields. */
export function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [HIDDEN.test(name) ? name.slice(1) : name, shown(item)]),
  );
}
