import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";

/** One row a step of `npm test`, in order. `report` is where a step leaves counts of its own. */
interface Step {
  readonly name: string;
  readonly command: readonly string[];
  readonly countsOwn?: boolean;
}

const folder = mkdtempSync(join(tmpdir(), "dojo-relay-test-"));
const report = join(folder, "vitest.json");
const only = process.argv.slice(2);

const STEPS: readonly Step[] = [
  { name: "format and lint", command: ["biome", "check", "--error-on-warnings", "."] },
  { name: "floating promises", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "types", command: ["tsc", "--noEmit"] },
  {
    name: "tests",
    command: ["vitest", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    countsOwn: true,
  },
];

/** Runs every step, whatever the others did, and says what passed: a test each, a step without tests as one. */
function main(): void {
  let [passed, failed] = [0, 0];
  for (const { name, command, countsOwn } of STEPS) {
    if (only.length > 0 && !only.includes(name)) continue;
    process.stdout.write(`\n${styleText("bold", `▶ ${name}`)}\n`);
    const [program = "", ...args] = command;
    const { status } = spawnSync(program, args, { stdio: "inherit" });
    const counts = countsOwn
      ? vitestCounts(status === 0)
      : { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 };
    passed += counts.passed;
    failed += counts.failed;
  }
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** A run that failed without a failed test (a file that cannot be read, an error outside of tests) counts as one. */
function vitestCounts(ok: boolean): { passed: number; failed: number } {
  try {
    const counts = JSON.parse(readFileSync(report, "utf8")) as { numPassedTests: number; numFailedTests: number };
    return { passed: counts.numPassedTests, failed: Math.max(counts.numFailedTests, ok ? 0 : 1) };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

main();
