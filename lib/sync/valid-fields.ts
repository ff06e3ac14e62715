/** RFC 3339, as the schema's `date-time` is checked. */
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** A time as secureCodeBox's schema takes it: its own text where that is one, else the time that it names; undefined where it names none. */
export function dateTime(value: unknown): string | undefined {
  if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}/.test(value)) return undefined;
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) return undefined;
  const [, year = "", month = "", day = ""] = DATE_TIME.exec(value) ?? [];
  // The thirtieth of February is a day of March to JavaScript.
  const isDay = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
  return day !== "" && isDay ? value : time.toISOString();
}

interface ScanField {
  readonly created_at: string;
  readonly name: string;
  readonly namespace: string;
  readonly scan_type: string;
}

/** The scan that an uploaded finding names, completed by the one that it belongs to. */
export function scanField(value: unknown, own: ScanField): ScanField {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return own;
  const given = value as Partial<Record<keyof ScanField, unknown>>;
  const text = (name: keyof ScanField) => (typeof given[name] === "string" ? given[name] : own[name]);
  return {
    ...given,
    created_at: dateTime(given.created_at) ?? own.created_at,
    name: text("name"),
    namespace: text("namespace"),
    scan_type: text("scan_type"),
  };
}
