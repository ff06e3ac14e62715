import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";

/** One row per step of `npm test`, in order. */
interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** Where Vitest writes its counts; a step without it counts as one test. */
  readonly report?: string;
}

const folder = mkdtempSync(join(tmpdir(), "dojo-relay-test-"));
const coverage = join(folder, "coverage");
const only = process.argv.slice(2);

const STEPS: readonly Step[] = [
  { name: "format and lint", command: ["biome", "check", "--error-on-warnings", "."] },
  { name: "floating promises", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "types", command: ["tsc", "--noEmit"] },
  { name: "spelling", command: ["cspell", "lint", "--no-progress"] },
  { name: "unused code", command: ["knip", "--no-progress"] },
  vitestStep("unit tests", [
    "--project=unit",
    "--coverage",
    "--coverage.reporter=json-summary",
    `--coverage.reportsDirectory=${coverage}`,
  ]),
  vitestStep(
    "tests",
    ["contract", "e2e", "live", "faults"].map((project) => `--project=${project}`),
  ),
];

/** Runs every step, even if others fail, and counts what passed; a step without tests counts as one. */
function main(): void {
  let [passed, failed] = [0, 0];
  for (const { name, command, report } of STEPS) {
    if (only.length > 0 && !only.includes(name)) continue;
    process.stdout.write(`\n${styleText("bold", `▶ ${name}`)}\n`);
    const [program = "", ...args] = command;
    const { status } = spawnSync(program, args, { stdio: "inherit" });
    const ok = status === 0;
    const counts = report === undefined ? { passed: ok ? 1 : 0, failed: ok ? 0 : 1 } : vitestCounts(report, ok);
    passed += counts.passed;
    failed += counts.failed;
  }
  process.stdout.write(`\n${coverageLine()}${leftOut()}`);
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function vitestStep(name: string, args: readonly string[]): Step {
  const report = join(folder, `${name}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return { name, command: ["vitest", "run", ...args, ...reporters], report };
}

/** The coverage of the unit tests in one line; empty if they did not run. The thresholds are in `vitest.config.ts`. */
function coverageLine(): string {
  try {
    const summary = readFileSync(join(coverage, "coverage-summary.json"), "utf8");
    const { total } = JSON.parse(summary) as { total: Record<string, { pct: number }> };
    const figures = ["lines", "branches", "functions"].map((what) => `${total[what]?.pct} % of ${what}`);
    return `Coverage of lib/ and functions/ by unit tests: ${figures.join(", ")}\n`;
  } catch {
    return "";
  }
}

/** Reports that the recordings of real servers, expected next to the repository, are missing. */
function leftOut(): string {
  if (existsSync(new URL("../../shared", import.meta.url))) return "";
  return "*** LEFT OUT: ../shared does not exist, so nothing was held to the recordings of real servers in it. ***\n";
}

/** A run that failed without a failed test (an unreadable file, an error outside of tests) counts as one failure. */
function vitestCounts(report: string, ok: boolean): { passed: number; failed: number } {
  try {
    const counts = JSON.parse(readFileSync(report, "utf8")) as { numPassedTests: number; numFailedTests: number };
    return { passed: counts.numPassedTests, failed: Math.max(counts.numFailedTests, ok ? 0 : 1) };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

main();
