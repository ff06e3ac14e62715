const VALUES: Record<string, Record<string, number>> = {
  AV: { N: 0.85, A: 0.62, L: 0.55, P: 0.2 },
  AC: { L: 0.77, H: 0.44 },
  UI: { N: 0.85, R: 0.62 },
  C: { H: 0.56, L: 0.22, N: 0 },
  I: { H: 0.56, L: 0.22, N: 0 },
  A: { H: 0.56, L: 0.22, N: 0 },
};
const PRIVILEGES: Record<string, Record<string, number>> = {
  U: { N: 0.85, L: 0.62, H: 0.27 },
  C: { N: 0.85, L: 0.68, H: 0.5 },
};

/** The environmental score of a CVSS 3 vector, which DefectDojo recomputes; null for an invalid vector. */
export function cvss3Score(vector: string): number | null {
  const version = /^CVSS:(3\.[01])\//.exec(vector)?.[1];
  if (version === undefined) return null;
  const given = Object.fromEntries(vector.split("/").map((part) => part.split(":")));
  const value = (name: string) => VALUES[name]?.[given[name]] ?? Number.NaN;
  const changed = given.S === "C";
  const base = Math.min(1 - (1 - value("C")) * (1 - value("I")) * (1 - value("A")), 0.915);
  const privileges = PRIVILEGES[given.S]?.[given.PR] ?? Number.NaN;
  const exploitability = 8.22 * value("AV") * value("AC") * privileges * value("UI");
  if (Number.isNaN(base + exploitability)) return null;
  const power = version === "3.1" ? (base * 0.9731 - 0.02) ** 13 : (base - 0.02) ** 15;
  const impact = changed ? 7.52 * (base - 0.029) - 3.25 * power : 6.42 * base;
  return impact <= 0 ? 0 : roundUp(Math.min((impact + exploitability) * (changed ? 1.08 : 1), 10));
}

/** Rounds up to one decimal, as the CVSS 3.1 specification defines. */
function roundUp(score: number): number {
  const units = Math.round(score * 100_000);
  return units % 10_000 === 0 ? units / 100_000 : (Math.floor(units / 10_000) + 1) / 10;
}
