import { type FieldError, fieldErrors } from "./http.ts";

type Field = {
  kind: "text" | "boolean" | "date" | "datetime" | "choice" | "reference" | "references" | "tags";
  required?: boolean;
  /** Accepts null. */
  nullable?: boolean;
  /** Accepts the empty string. */
  blank?: boolean;
  maxLength?: number;
  choices?: readonly string[];
  table?: ReadonlyMap<number, unknown>;
};

export type Fields = Record<string, Field>;

/**
 * Validates the fields of a request body against the table, like Django REST framework: all errors at once, in
 * the order of the table. Other fields are ignored.
 */
export function cleaned(body: unknown, fields: Fields, partial: boolean): Record<string, unknown> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    const got = Array.isArray(body) ? "list" : body === null ? "NoneType" : typeof body === "string" ? "str" : "int";
    throw fieldErrors({
      non_field_errors: [{ text: `Invalid data. Expected a dictionary, but got ${got}.`, code: "invalid" }],
    });
  }
  const given = body as Record<string, unknown>;
  const errors: Record<string, FieldError[]> = {};
  const clean: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = given[name];
    if (value === undefined) {
      if (field.required === true && !partial) errors[name] = [{ text: "This field is required.", code: "required" }];
      continue;
    }
    if (value === null) {
      if (field.nullable === true) clean[name] = null;
      else errors[name] = [{ text: "This field may not be null.", code: "null" }];
      continue;
    }
    const checked = CHECKS[field.kind](value, field);
    if ("error" in checked) errors[name] = [checked.error];
    else clean[name] = checked.value;
  }
  if (Object.keys(errors).length > 0) throw fieldErrors(errors);
  return clean;
}

type Checked = { value: unknown } | { error: FieldError };

const CHECKS: Record<Field["kind"], (value: unknown, field: Field) => Checked> = {
  text: (value, field) => {
    if (typeof value !== "string" && typeof value !== "number") return bad("Not a valid string.");
    const text = String(value).trim();
    if (text === "" && field.blank !== true) return bad("This field may not be blank.", "blank");
    if (field.maxLength !== undefined && text.length > field.maxLength) {
      return bad(`Ensure this field has no more than ${field.maxLength} characters.`, "max_length");
    }
    return { value: text };
  },
  boolean: (value) => {
    const parsed = BOOLEANS[String(value)];
    return parsed === undefined ? bad("Must be a valid boolean.") : { value: parsed };
  },
  date: (value) =>
    isDate(value) ? { value } : bad("Date has wrong format. Use one of these formats instead: YYYY-MM-DD."),
  datetime: (value) => {
    const date = new Date(String(value));
    return Number.isNaN(date.getTime())
      ? bad(
          "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
        )
      : { value: formatDatetime(date) };
  },
  choice: (value, field) =>
    typeof value === "string" && field.choices?.includes(value)
      ? { value }
      : bad(`"${String(value)}" is not a valid choice.`, "invalid_choice"),
  reference: (value, field) => {
    const id = Number(value);
    if (!Number.isInteger(id)) return bad(`Incorrect type. Expected pk value, received str.`, "incorrect_type");
    return field.table?.has(id) === false
      ? bad(`Invalid pk "${id}" - object does not exist.`, "does_not_exist")
      : { value: id };
  },
  references: (value) => (Array.isArray(value) ? { value: value.map(Number) } : bad("Expected a list of items.")),
  tags: (value) => tags(value),
};

/** Tags are a JSON list, or one in a string; a tag must not contain a space, a comma or a quote. */
function tags(value: unknown): Checked {
  let list = value;
  if (typeof value === "string") {
    try {
      list = JSON.parse(value);
    } catch {
      return bad("Invalid json list. A tag list submitted in string form must be valid json.", "invalid_json");
    }
  }
  if (!Array.isArray(list)) return bad('Expected a list of items but got type "str".', "not_a_list");
  return list.every((tag) => typeof tag === "string")
    ? tagList(list)
    : bad("All list items must be of string type.", "not_a_str");
}

export function tagList(list: readonly string[]): Checked {
  const wrong = list.find((tag) => /[\s,'"]/.test(tag));
  if (wrong !== undefined) return bad(`Invalid tag: '${wrong}'. Tags should not contain spaces, commas, or quotes.`);
  return { value: [...new Set(list.filter((tag) => tag !== ""))].sort() };
}

export const BOOLEANS: Record<string, boolean> = Object.fromEntries([
  ...["true", "True", "TRUE", "t", "T", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "1"].map((s) => [s, true]),
  ...["false", "False", "FALSE", "f", "F", "n", "N", "no", "No", "NO", "off", "Off", "OFF", "0", "0.0"].map((s) => [
    s,
    false,
  ]),
]);

export function isDate(value: unknown): value is string {
  if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  const date = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
}

/** As Python prints it: without a fraction if it is zero. */
export function formatDatetime(date: Date): string {
  return date
    .toISOString()
    .replace(".000Z", "Z")
    .replace(/\.(\d{3})Z$/, ".$1000Z");
}

function bad(text: string, code = "invalid"): { error: FieldError } {
  return { error: { text, code } };
}
