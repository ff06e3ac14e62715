/** Largest first; no months or years, as a queue keeps messages for fourteen days. */
const UNITS: readonly (readonly [letter: string, milliseconds: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** Milliseconds for people: `42s`, `5m`, `3h`, `12d`. */
export function formatDuration(milliseconds: number): string {
  const [letter, size] = UNITS.find(([, unit]) => milliseconds >= unit) ?? (["s", 1_000] as const);
  return `${Math.max(0, Math.floor(milliseconds / size))}${letter}`;
}

/** Milliseconds of `30s`, `5m`, `2h` or `7d`, or undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, amount, letter] = /^(\d+(?:\.\d+)?)\s*([dhms])$/.exec(text.trim()) ?? [];
  const size = UNITS.find(([name]) => name === letter)?.[1];
  return amount === undefined || size === undefined ? undefined : Number(amount) * size;
}
