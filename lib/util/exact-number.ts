/** A number in a JSON text that a double cannot reproduce exactly. `JSON.stringify` prints its original text (ES2025 `JSON.rawJSON`). */
export interface ExactNumber {
  readonly rawJSON: string;
}

const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
};

/** The number as a double if that prints like the text, else with its text: `7.0`, and integers beyond 2^53. */
export function exactNumber(text: string): number | ExactNumber {
  const double = Number(text);
  return String(double) === text ? double : rawJSON(text);
}

/** Whether the value keeps its text. */
export const isExactNumber: (value: unknown) => value is ExactNumber = isRawJSON;

/** A number as Jackson prints it after reading it into a map: integers digit by digit, others like Java's `Double.toString`. */
export function jacksonNumber(value: number | ExactNumber): string {
  const text = typeof value === "number" ? String(value) : value.rawJSON;
  if (/^-?\d+$/.test(text)) return text === "-0" ? "0" : text;
  const double = Number(text);
  if (!Number.isFinite(double)) return text;
  const size = Math.abs(double);
  if (size === 0 || (size >= 1e-3 && size < 1e7)) {
    const decimal = Object.is(double, -0) ? "-0" : String(double);
    return decimal.includes(".") ? decimal : `${decimal}.0`;
  }
  const [digits = "", exponent = ""] = double.toExponential().split("e");
  return `${digits.includes(".") ? digits : `${digits}.0`}E${exponent.replace("+", "")}`;
}
