import { Command } from "commander";
import { sqsQueue } from "../lib/aws/sqs-queue.ts";
import { describeError } from "../lib/errors.ts";
import { ingestSettings } from "../lib/ingest/settings.ts";
import { systemClock } from "../lib/util/clock.ts";
import { redactAll } from "../lib/util/secrets.ts";
import { type Backfilled, type BackfillOptions, backfillScans } from "./backfill-scans.ts";
import { commandLog, NO_METRICS } from "./command-log.ts";
import { findQueues, operator } from "./operator.ts";
import { parseRate, parseSince } from "./options.ts";
import { interruptible } from "./terminal/interruption.ts";
import { printableJson, printableLine, shellWord } from "./terminal/printable.ts";
import { progressLine } from "./terminal/progress.ts";

interface Options {
  readonly since?: Date;
  readonly after?: string;
  readonly dryRun?: boolean;
  readonly rate?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `dojo-relay backfill PREFIX`: enqueues what notifications missed. */
export function backfillCommand(): Command {
  return new Command("backfill")
    .description("enqueue every scan without a final receipt for its current findings")
    .argument("[prefix]", "only scans below this prefix", "")
    .option("--since <date>", "only findings uploaded since: a date or an age (7d)", parseSince)
    .option("--after <key>", "continue after this key, where an earlier run stopped")
    .option("--dry-run", "show what would be enqueued; enqueue nothing")
    .option("--rate <n>", "at most this many jobs per second", parseRate)
    .option("--force", "also import runs that a later one overtook (IMPORT_MODE=reimport)")
    .option("--json", "print {scans, enqueued, done, notSelected, failed, lastKey} instead of lines")
    .addHelpText("after", BACKFILL_HELP)
    .action(async (prefix: string, options: Options) => {
      await interruptible((signal) => backfill(prefix, options, signal));
    });
}

async function backfill(prefix: string, options: Options, signal: AbortSignal): Promise<void> {
  const { dryRun = false, json = false } = options;
  const { config, sqs, storage } = operator(process.env);
  const { queueUrl, dlqUrl } = dryRun ? { queueUrl: "", dlqUrl: "" } : await findQueues({ config, sqs });
  const ports = {
    storage,
    queue: sqsQueue(sqs, queueUrl),
    dlq: sqsQueue(sqs, dlqUrl),
    clock: systemClock,
    log: commandLog(),
    metrics: NO_METRICS,
  };
  const settings = ingestSettings(config);
  const range: BackfillOptions = {
    bucket: config.BUCKET,
    prefix,
    startAfter: options.after,
    since: options.since,
    dryRun,
    rate: options.rate,
    force: options.force,
    signal,
  };
  const count = { enqueued: 0, done: 0, "not-selected": 0, failed: 0 };
  const line = progressLine();
  const output = json ? jsonOutput() : textOutput(config.BUCKET, dryRun, line.clear);
  let lastKey = options.after;
  let whole = false;
  try {
    for await (const result of backfillScans(ports, settings, range)) {
      count[result.outcome]++;
      lastKey = result.key;
      if (result.outcome !== "done") output.scan(result);
      line.update(() => `${total(count)} scans, ${count.enqueued} enqueued, at ${lastKey}`);
    }
    whole = !signal.aborted;
  } finally {
    line.clear();
    output.end(count, lastKey);
    if (!whole) process.stderr.write(goOn(prefix, lastKey));
  }
  if (count.failed > 0 && whole) process.exitCode = 1;
}

type Counts = Record<Backfilled["outcome"], number>;
type Shown = Exclude<Backfilled, { outcome: "done" }>;

interface Output {
  scan(result: Shown): void;
  end(count: Counts, lastKey: string | undefined): void;
}

const total = (count: Counts) => count.enqueued + count.done + count["not-selected"] + count.failed;

function textOutput(bucket: string, dryRun: boolean, clear: () => void): Output {
  const verb = dryRun ? "would be enqueued" : "enqueued";
  return {
    scan: (result) => {
      clear();
      const what = result.outcome === "enqueued" ? verb : result.outcome.replace("-", " ");
      const why = result.outcome === "failed" ? describeError(result.error, 300) : result.why;
      process.stdout.write(`${printableLine(`${what}  s3://${bucket}/${result.key}  (${why})`)}\n`);
    },
    end: (count) => {
      process.stdout.write(
        `${total(count)} scans: ${count.enqueued} ${verb}, ${count.done} done, ${count["not-selected"]} not selected, ${count.failed} failed\n`,
      );
    },
  };
}

/** One JSON document, written incrementally: a bucket may have any number of scans. */
function jsonOutput(): Output {
  let first = true;
  process.stdout.write('{ "scans": [');
  return {
    scan: (result) => {
      const { key, outcome } = result;
      const why =
        result.outcome === "failed"
          ? { why: describeError(result.error), reason: result.error.reason, advice: result.error.advice }
          : { why: result.why };
      process.stdout.write(`${first ? "" : ","}\n ${printableJson({ key, outcome, ...redactAll(why) })}`);
      first = false;
    },
    end: ({ enqueued, done, "not-selected": notSelected, failed }, lastKey) => {
      const rest = printableJson({ enqueued, done, notSelected, failed, lastKey: lastKey ?? null });
      process.stdout.write(`\n], ${rest.slice(1, -1)} }\n`);
    },
  };
}

function goOn(prefix: string, lastKey: string | undefined): string {
  if (lastKey === undefined) return "stopped before the first scan\n";
  return `stopped; continue with: dojo-relay backfill ${shellWord(prefix)} --after ${shellWord(lastKey)}\n`;
}

const BACKFILL_HELP = `
The safety net for lost notifications. It enqueues findings that were never imported, that were uploaded anew since, or whose
receipt is missing; it is idempotent, as it finds imports that happened. The bucket is listed page by page.
Exit code 1 if a scan could not be enqueued (for example without a sidecar); the others are.

Examples:
  $ dojo-relay backfill --dry-run
  $ dojo-relay backfill nightly/ --since 7d --rate 5`;
