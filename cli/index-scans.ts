import { Command } from "commander";
import { readResyncConfig } from "../lib/config.ts";
import { describeError } from "../lib/errors.ts";
import { indexScans } from "../lib/follow/index-scans.ts";
import { warnOfTypos } from "../lib/model/typos.ts";
import { testIndex } from "../lib/ports/test-index.ts";
import { commandLog } from "./command-log.ts";
import { operator, withOwnServers } from "./operator.ts";
import { print } from "./options.ts";
import { interruptible } from "./terminal/interruption.ts";
import { printableLine } from "./terminal/printable.ts";
import { progressBar } from "./terminal/progress.ts";

interface Options {
  readonly startAfter?: string;
  readonly json?: boolean;
}

/** `dojo-relay index`: adds scans that older versions imported to the index from tests in DefectDojo to scans in the bucket. */
export function indexCommand(): Command {
  return new Command("index")
    .description(
      "create index entries for scans that an older version imported; `follow` needs them to find the scans of a test",
    )
    .argument("[prefix]", "only scans below this prefix", "")
    .option("--start-after <key>", "continue after this receipt, the last one of an earlier run")
    .option("--json", "print an object instead of lines")
    .addHelpText("after", HELP)
    .action(async (prefix: string, options: Options) => {
      const answer = await interruptible((signal) => makeIndex(prefix, options.startAfter, signal));
      print(answer, options.json, () => describe(answer));
      if (answer.failed.length > 0) process.exitCode ??= 1;
    });
}

interface Answer {
  indexed: number;
  last: string | undefined;
  failed: { key: string; why: string }[];
}

/** Holds no more than the failures, however many scans there are. */
async function makeIndex(prefix: string, startAfter: string | undefined, signal: AbortSignal): Promise<Answer> {
  const env = withOwnServers(process.env);
  const { BUCKET: bucket, DEFECTDOJO_URL } = readResyncConfig(env);
  const { storage } = operator(env);
  const log = commandLog();
  warnOfTypos(env, log);
  const index = testIndex(storage, bucket, (testId) => `${DEFECTDOJO_URL}/test/${testId}`);
  const bar = progressBar("indexed", undefined);
  const answer: Answer = { indexed: 0, last: startAfter, failed: [] };
  try {
    const settings = { bucket, prefix, startAfter, signal };
    for await (const result of indexScans({ storage, index, log }, settings)) {
      if (result.outcome === "indexed") answer.indexed++;
      else if (result.outcome === "failed")
        answer.failed.push({ key: result.key, why: describeError(result.error, 300) });
      answer.last = result.key;
      bar.advance(result.key);
    }
  } finally {
    bar.stop();
  }
  return answer;
}

function describe({ indexed, last, failed }: Answer): string {
  const next = last === undefined ? "" : `; continue with --start-after '${last}'`;
  const lines = failed.map(({ key, why }) => `failed   ${key}  (${why})`);
  return [...lines, `${indexed} indexed, ${failed.length} failed${failed.length === 0 ? "" : next}`]
    .map(printableLine)
    .join("\n");
}

const HELP = `
Every import writes its own entry. This command is for scans that older versions imported, and after DEFECTDOJO_URL changed.
Idempotent. An interrupted run prints where to continue.

Examples:
  $ dojo-relay index
  $ dojo-relay index nightly/ --start-after nightly/scan-1/defectdojo.json`;
