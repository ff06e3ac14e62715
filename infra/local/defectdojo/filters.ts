import { type Call, type FieldError, fieldErrors } from "./http.ts";

/** Turns the value of a query parameter into a condition on rows, or returns an error message. */
export type Filter<T> = (value: string) => ((row: T) => boolean) | FieldError | undefined;

export function filtered<T>(call: Call, rows: Iterable<T>, filters: Record<string, Filter<T>>): T[] {
  const tests = rowTests(call, filters);
  const kept: T[] = [];
  for (const row of rows) if (tests.every((test) => test(row))) kept.push(row);
  return kept;
}

/** The conditions in the query; parameters outside the table are ignored, as in DefectDojo. */
export function rowTests<T>(call: Call, filters: Record<string, Filter<T>>): ((row: T) => boolean)[] {
  const errors: Record<string, FieldError[]> = {};
  const tests: ((row: T) => boolean)[] = [];
  for (const [name, filter] of Object.entries(filters)) {
    const value = call.query.getAll(name).at(-1);
    if (value === undefined || value === "") continue;
    const test = filter(value);
    if (typeof test === "function") tests.push(test);
    else if (test !== undefined) errors[name] = [test];
  }
  if (Object.keys(errors).length > 0) throw fieldErrors(errors);
  return tests;
}

export function exact<T>(of: (row: T) => unknown): Filter<T> {
  return (value) => (row) => of(row) === value;
}

export function exactIgnoringCase<T>(of: (row: T) => string): Filter<T> {
  return (value) => {
    const wanted = value.toLowerCase();
    return (row) => of(row).toLowerCase() === wanted;
  };
}

export function contains<T>(of: (row: T) => string | null): Filter<T> {
  return (value) => {
    const wanted = value.toLowerCase();
    return (row) => (of(row) ?? "").toLowerCase().includes(wanted);
  };
}

export function numberIn<T>(of: (row: T) => number | null | readonly number[]): Filter<T> {
  return (value) => {
    const ids = idList(value);
    if (!(ids instanceof Set)) return ids;
    return (row) => {
      const found = of(row);
      return typeof found === "object" && found !== null
        ? found.some((id) => ids.has(id))
        : ids.has(found ?? Number.NaN);
    };
  };
}

export function idList(value: string): Set<number> | FieldError {
  const ids = value
    .split(",")
    .filter((id) => id.trim() !== "")
    .map(Number);
  return ids.some(Number.isNaN) ? { text: "Enter a number.", code: "invalid" } : new Set(ids);
}

/** One row of another table; an unknown id is an error, even for users without access. */
export function reference<T>(table: ReadonlyMap<number, unknown>, of: (row: T) => number | null): Filter<T> {
  return (value) => {
    const id = Number(value);
    if (!table.has(id)) {
      return {
        text: "Select a valid choice. That choice is not one of the available choices.",
        code: "invalid_choice",
      };
    }
    return (row) => of(row) === id;
  };
}

export function number<T>(of: (row: T) => number | null): Filter<T> {
  return (value) => {
    const wanted = Number(value);
    return Number.isNaN(wanted) ? { text: "Enter a number.", code: "invalid" } : (row) => of(row) === wanted;
  };
}

const BOOLEANS: Record<string, boolean> = { true: true, True: true, "1": true, false: false, False: false, "0": false };

/** A value other than a boolean is ignored. */
export function boolean<T>(of: (row: T) => boolean): Filter<T> {
  return (value) => {
    const wanted = BOOLEANS[value];
    return wanted === undefined ? undefined : (row) => of(row) === wanted;
  };
}

/** The orderings that a list supports in its `o` parameter. */
export function sorted<T>(call: Call, rows: T[], orderings: Record<string, (row: T) => unknown>): T[] {
  const wanted = call.query.get("o");
  if (wanted === null || wanted === "") return rows;
  const keys = wanted.split(",").map((field) => ({ field, of: orderings[field.replace(/^-/, "")] }));
  const bad = keys.find((key) => key.of === undefined);
  if (bad !== undefined) {
    const text = `Select a valid choice. ${bad.field} is not one of the available choices.`;
    throw fieldErrors({ o: [{ text, code: "invalid_choice" }] });
  }
  return rows.toSorted((a, b) => {
    for (const { field, of } of keys) {
      const order = compare(of?.(a), of?.(b)) * (field.startsWith("-") ? -1 : 1);
      if (order !== 0) return order;
    }
    return 0;
  });
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -1 : 1;
}
