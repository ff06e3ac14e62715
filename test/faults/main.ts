import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { table } from "../../cli/terminal/table.ts";
import { PROFILES } from "../../infra/local/defectdojo/profiles.ts";
import { pointName, type Result, runAll } from "./points.ts";

const HELP = `node test/faults/main.ts [--sample N] [--only PATTERN] [--profile P] [--lanes N] [--json]

Kills the importer (SIGKILL) before and after each of its calls to S3, SQS and DefectDojo, and in the middle of what it
sends, lets the job be delivered again, and looks whether one complete test and one right findings.json come of it.

  --sample N       N of the points, evenly spread, always the same ones
  --only PATTERN   scenarios whose name fits this regular expression
  --profile P      the DefectDojo that the stand-in answers as: ${Object.keys(PROFILES).join(", ")}
                   (default: each scenario's own, 3.2-locations for most)
  --lanes N        so many side by side (default: the number of processors, four at most)
  --json           {"points": N, "converged": N} alone on stdout
  --help           this text
`;

const { values } = parseArgs({
  options: {
    sample: { type: "string" },
    only: { type: "string" },
    profile: { type: "string" },
    lanes: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.profile !== undefined && !Object.hasOwn(PROFILES, values.profile)) return refuse(values.profile);
  const started = Date.now();
  let done = 0;
  const results = await runAll(
    {
      lanes: Number(values.lanes ?? Math.min(4, availableParallelism())),
      ...(values.sample === undefined ? {} : { sample: Number(values.sample) }),
      ...(values.profile === undefined ? {} : { profile: values.profile }),
      ...(values.only === undefined ? {} : { scenarios: new RegExp(values.only) }),
    },
    (result, of) => {
      done++;
      if (process.stderr.isTTY) process.stderr.write(`\r${done}/${of}`);
      else if (done % 50 === 0) process.stderr.write(`${done}/${of}\n`);
      if (!result.reached) process.stderr.write(`not reached: ${named(result)}\n`);
      if (result.wrong.length > 0) process.stderr.write(`${describe(result)}\n`);
    },
  );
  const killed = results.filter(({ reached }) => reached);
  const converged = killed.filter(({ wrong }) => wrong.length === 0);
  if (values.json) process.stdout.write(`${JSON.stringify({ points: killed.length, converged: converged.length })}\n`);
  else process.stdout.write(`${report(results, Date.now() - started)}\n`);
  process.exitCode = killed.length > 0 && converged.length === killed.length ? 0 : 1;
}

function refuse(profile: string): void {
  process.stderr.write(`unknown profile ${JSON.stringify(profile)}; there are ${Object.keys(PROFILES).join(", ")}\n`);
  process.exitCode = 2;
}

function report(results: readonly Result[], ms: number): string {
  const names = [...new Set(results.map(({ baseline }) => baseline.scenario.name))];
  const row = (name: string, of: readonly Result[]) => {
    const killed = of.filter(({ reached }) => reached);
    return {
      scenario: name,
      "points killed": killed.length,
      converged: killed.filter(({ wrong }) => wrong.length === 0).length,
      "not reached": of.length - killed.length,
    };
  };
  const rows = names.map((name) =>
    row(
      name,
      results.filter(({ baseline }) => baseline.scenario.name === name),
    ),
  );
  return `${table([...rows, row("all", results)])}\n${Math.round(ms / 1000)} s`;
}

const named = ({ baseline, point }: Result) => `${baseline.scenario.name}, killed ${pointName(point)}`;

const describe = (result: Result) => [`✗ ${named(result)}`, ...result.wrong, ...result.log].join("\n  ");

await main();
