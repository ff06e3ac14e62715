import { aFinding } from "./factories.ts";
import { fc } from "./property.ts";

/** Text of any UTF-16 units, including control characters and lone surrogates. */
export const anyText = (maxLength = 40): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: "binary", maxLength }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength }).map((units) => String.fromCharCode(...units)),
    fc
      .array(
        fc.constantFrom(..."\u0000\u0007\t\n\r\u001f\u007f\u0085\u2028\ufeff\ufffe\uffff\ud83d\ude00%/?#:@[]\\\"' ab"),
        {
          maxLength,
        },
      )
      .map((chars) => chars.join("")),
  );

/** Any JSON, including awkward texts. */
export const anyJson = (maxDepth = 4): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.jsonValue({ maxDepth }) },
    fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth },
        fc.constantFrom(null, true, 0, -1, 1e308, "", "__proto__"),
        anyText(10),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(
          fc.oneof(anyText(6), fc.constantFrom("__proto__", "constructor", "Records", "s3")),
          tie("value"),
          {
            maxKeys: 4,
          },
        ),
      ),
    })).value,
  );

type Path = readonly (string | number)[];
const pathsOf = (value: unknown, path: Path = []): Path[] =>
  typeof value === "object" && value !== null
    ? [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))]
    : [path];

function replaced(value: unknown, [key, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (key === undefined) return change(value);
  const copy: Record<string | number, unknown> | unknown[] = Array.isArray(value)
    ? [...value]
    : { ...(value as object) };
  const inner = replaced((value as Record<string | number, unknown>)[key], rest, change);
  if (inner === REMOVED && Array.isArray(copy)) copy.splice(Number(key), 1);
  else if (inner === REMOVED) delete (copy as Record<string | number, unknown>)[key];
  else (copy as Record<string | number, unknown>)[key] = inner;
  return copy;
}
const REMOVED = Symbol("removed");

/** One of the values with some parts removed, duplicated or replaced by any JSON. */
export const mutated = (...values: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      fc.constantFrom(...values),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom("remove", "replace", "double"), anyJson(2)), {
        minLength: 1,
        maxLength: 3,
      }),
    )
    .map(([value, changes]) =>
      changes.reduce<unknown>((current, [at, kind, other]) => {
        const paths = pathsOf(current);
        const path = paths[at % paths.length] ?? [];
        return replaced(current, path, (old) =>
          kind === "remove" ? (path.length === 0 ? null : REMOVED) : kind === "replace" ? other : [old, old],
        );
      }, value),
    );

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const date = fc.oneof(
  fc
    .date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-12-31") })
    .map((at) => at.toISOString()),
  fc.constantFrom(
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-11-24T23:59:59.999+14:00",
    "1970-01-01T00:00:00Z",
  ),
);

/** A finding that satisfies secureCodeBox's schema, with arbitrary texts. */
export const validFinding = fc
  .record({
    id: fc.uuid(),
    name: anyText(600),
    category: anyText(),
    severity: fc.constantFrom("INFORMATIONAL", "LOW", "MEDIUM", "HIGH"),
    parsed_at: date,
    scan: fc.record({ created_at: date, name: anyText(10), namespace: anyText(10), scan_type: anyText(10) }),
    identified_at: maybe(fc.option(date)),
    description: maybe(fc.option(anyText())),
    mitigation: maybe(fc.option(anyText())),
    location: maybe(fc.option(fc.oneof(anyText(), fc.webUrl(), fc.domain(), fc.ipV6()))),
    references: maybe(fc.option(fc.array(fc.record({ type: anyText(5), value: anyText() }), { maxLength: 3 }))),
    attributes: maybe(fc.dictionary(anyText(10), anyJson(2), { maxKeys: 4 })),
  })
  .map((finding) => JSON.parse(JSON.stringify(finding)) as Record<string, unknown>);

/** A readable finding that violates the schema in places. */
export const readableFinding = fc
  .record({
    id: fc.option(anyText(600)),
    name: anyText(600).filter((name) => name.trim() !== ""),
    severity: fc.option(anyText(5)),
    description: fc.option(anyText()),
    identified_at: fc.option(fc.oneof(date, anyText(10), fc.constant("+010000-01-01T00:00:00.000Z"))),
    location: fc.option(anyText()),
  })
  .map((changes) => aFinding(changes));
