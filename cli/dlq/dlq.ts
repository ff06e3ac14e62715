import { Command, Option } from "commander";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import { countOf } from "../../lib/util/text.ts";
import { CommandError } from "../command-error.ts";
import { findQueues, operator } from "../operator.ts";
import { parseRate, print } from "../options.ts";
import { interruptible } from "../terminal/interruption.ts";
import { progressBar } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { FILTER_FIELDS, parseFilter, type Selects, selection } from "./dead-letter-filter.ts";
import { describe, toJson, toRow } from "./dead-letter-view.ts";
import { visitDeadLetters } from "./dead-letter-visit.ts";
import { fifo } from "./fifo.ts";
import { nativeRedrive } from "./native-redrive.ts";
import { redriveDeadLetters } from "./redrive.ts";

interface RedriveFlags extends Filters {
  readonly rate?: number;
  readonly native?: boolean;
  readonly force?: boolean;
}

interface Filters {
  readonly filter?: readonly Selects[];
  readonly json?: boolean;
}

/** A shorter prefix may match more than one message. */
const SHORTEST_ID = 8;

/** `dojo-relay dlq`: inspects, redrives and drops dead letters. */
export function dlqCommand(): Command {
  return new Command("dlq")
    .description("inspect, redrive or drop messages in the dead-letter queue")
    .addHelpText("after", DLQ_HELP)
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(redriveCommand())
    .addCommand(dropCommand());
}

function listCommand(): Command {
  return new Command("list")
    .description("every message with its reason, age and scan")
    .addOption(filterOption())
    .option("--peek", "leave the queue untouched; shows only the first messages of each product")
    .option("--json", "print an array with one object per message instead of a table")
    .addHelpText("after", LIST_HELP)
    .action(async ({ filter = [], peek = false, json }: Filters & { peek?: boolean }) => {
      const letters: DeadLetter[] = [];
      const selects = selection([], filter);
      const unseen = await interruptible(async (signal) => {
        const { dlq } = await queues();
        const look = async (letter: DeadLetter) => {
          if (selects(letter)) letters.push(letter);
          return "kept" as const;
        };
        return await visitDeadLetters(dlq, look, { signal, turnOver: !peek });
      });
      const now = Date.now();
      print(
        letters.map((letter) => toJson(letter, now)),
        json,
        () => table(letters.map((letter) => toRow(letter, now))),
      );
      if (unseen > 0) process.stderr.write(`${unseen} more lie behind these; without --peek they are shown too\n`);
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("one message: its error, advice, attempts and body")
    .argument("<id>", `id of the message, or its first ${SHORTEST_ID} characters or more`)
    .option("--json", "print the message as JSON")
    .addHelpText("after", SHOW_HELP)
    .action(async (id: string, { json }: Filters) => {
      const found: DeadLetter[] = [];
      const selects = selection([checkedId(id)], []);
      await interruptible(async (signal) => {
        const { dlq } = await queues();
        const look = async (letter: DeadLetter) => {
          if (selects(letter)) found.push(letter);
          return "kept" as const;
        };
        await visitDeadLetters(dlq, look, { signal, enough: () => found.length > 0 });
      });
      const [letter] = found;
      if (letter === undefined) throw notThere(id);
      const now = Date.now();
      print(toJson(letter, now), json, () => describe(letter, now));
    });
}

function redriveCommand(): Command {
  return new Command("redrive")
    .description("move messages back to the job queue")
    .argument("[ids...]", "ids of messages (default: all)")
    .addOption(filterOption())
    .option("--rate <n>", "at most this many messages per second", parseRate)
    .option("--force", "also import runs that a later one overtook (IMPORT_MODE=reimport)")
    .option("--native", "use SQS's own move task: moves all messages, AWS only")
    .option("--json", "print {moved} instead of a line")
    .addHelpText("after", REDRIVE_HELP)
    .action(async (ids: string[], options: RedriveFlags, command: Command) => {
      const { filter = [], rate, native, force, json } = options;
      if (native && (ids.length > 0 || filter.length > 0 || force)) {
        command.error("error: --native moves all messages; it takes neither ids nor --filter nor --force", {
          exitCode: 1,
        });
      }
      const moved = await interruptible(async (signal) =>
        native
          ? await redriveNatively(rate, signal)
          : await redrive({ ids: ids.map(checkedId), filter, rate, force }, signal),
      );
      print({ moved }, json, () => `${countOf(moved, "message")} moved back to the job queue`);
    });
}

interface Redrive {
  readonly ids: readonly string[];
  readonly filter: readonly Selects[];
  readonly rate: number | undefined;
  readonly force: boolean | undefined;
}

async function redrive({ ids, filter, rate, force }: Redrive, signal: AbortSignal): Promise<number> {
  const { dlq, sqs, queueUrl } = await queues();
  const all = ids.length === 0 && filter.length === 0;
  const bar = progressBar("moved", all ? (await dlq.counts()).waiting : ids.length || undefined);
  const moved: DeadLetter[] = [];
  try {
    await redriveDeadLetters(dlq, sqsQueue(sqs, queueUrl), {
      selects: selection(ids, filter),
      rate,
      force,
      signal,
      enough: () => ids.length > 0 && moved.length === ids.length,
      onMoved: (letter) => {
        moved.push(letter);
        bar.advance(`${letter.scan} (${letter.reason})`);
      },
    });
  } finally {
    bar.stop();
  }
  assertAllFound(ids, moved, signal);
  return moved.length;
}

async function redriveNatively(rate: number | undefined, signal: AbortSignal): Promise<number> {
  const { sqs, config, ...urls } = await queues();
  return await nativeRedrive(sqs, urls, {
    rate,
    signal,
    onProgress: (moved, total) => process.stderr.write(`moved ${moved}${total === undefined ? "" : `/${total}`}\n`),
    ...(config.AWS_ENDPOINT_URL_SQS === undefined ? {} : { settleMs: 3_000 }),
  });
}

function dropCommand(): Command {
  return new Command("drop")
    .description("delete messages permanently; their scans stay in the bucket, and `backfill` finds them")
    .argument("[ids...]", "ids of messages")
    .addOption(filterOption())
    .option("--all", "everything")
    .option("--json", "print {dropped} instead of a line")
    .addHelpText("after", DROP_HELP)
    .action(async (ids: string[], { filter = [], all, json }: Filters & { all?: boolean }, command: Command) => {
      if (ids.length === 0 && filter.length === 0 && !all) {
        command.error("error: say what to drop: ids, --filter or --all", { exitCode: 1 });
      }
      const selects = selection(ids.map(checkedId), filter);
      const dropped: DeadLetter[] = [];
      await interruptible(async (signal) => {
        const { dlq } = await queues();
        const bar = progressBar("dropped", ids.length || undefined);
        const drop = async (letter: DeadLetter) => {
          if (!selects(letter)) return "kept" as const;
          await dlq.remove(letter.message);
          dropped.push(letter);
          bar.advance(`${letter.scan} (${letter.reason})`);
          return "gone" as const;
        };
        const enough = () => ids.length > 0 && dropped.length === ids.length;
        try {
          await visitDeadLetters(dlq, drop, { signal, enough });
        } finally {
          bar.stop();
        }
        assertAllFound(ids, dropped, signal);
      });
      print({ dropped: dropped.length }, json, () => `${countOf(dropped.length, "message")} dropped`);
    });
}

// --- utils ---

async function queues() {
  const { config, sqs } = operator(process.env);
  const { queueUrl, dlqUrl } = await findQueues({ config, sqs });
  return { config, sqs, queueUrl, dlqUrl, dlq: fifo(sqs, dlqUrl) };
}

function filterOption(): Option {
  return new Option(
    "--filter <field=value,...>",
    `only these: ${FILTER_FIELDS}; * matches anything, and several filters must all match`,
  ).argParser<readonly Selects[]>((text, earlier) => parseFilter(text, earlier));
}

function checkedId(id: string): string {
  if (id.length >= SHORTEST_ID) return id;
  throw new CommandError(
    `${JSON.stringify(id)} is too short for an id`,
    `Give ${SHORTEST_ID} characters or more of it.`,
  );
}

const notThere = (id: string) =>
  new CommandError(
    `the dead-letter queue holds no message ${id}`,
    "`dojo-relay dlq list` shows all messages; somebody else may be holding this one right now.",
  );

function assertAllFound(ids: readonly string[], found: readonly DeadLetter[], signal: AbortSignal): void {
  const missing = ids.find((id) => !found.some((letter) => letter.id.startsWith(id)));
  if (missing !== undefined && !signal.aborted) throw notThere(missing);
}

const DLQ_HELP = `
Each message carries its reason; docs/operations.md explains what to do about it.

Examples:
  $ dojo-relay dlq list
  $ dojo-relay dlq redrive --filter reason=dojo-unreachable,dojo-timeout`;

const LIST_HELP = `
A FIFO queue hands out nothing more of a product while one of its messages is looked at. Where messages lie behind others,
these are put at the end of the queue again, with the same id; --peek does without.

Examples:
  $ dojo-relay dlq list --filter reason=sidecar-missing --filter newer=12h
  $ dojo-relay dlq list --json | jq -r '.[] | [.reason, .scan] | @tsv'`;

const SHOW_HELP = `
Examples:
  $ dojo-relay dlq show 3f0c9b52
  $ dojo-relay dlq show 3f0c9b52 --json | jq .job.scan`;

const REDRIVE_HELP = `
Message by message: received, sent to the job queue with a fresh deduplication id, deleted. Interrupted at any point it loses
none. What fails again returns to the dead-letter queue and is not moved a second time. A scan that was imported before is not imported
twice.

Examples:
  $ dojo-relay dlq redrive
  $ dojo-relay dlq redrive --filter reason=dojo-unavailable --filter findings=nightly/* --rate 5
  $ dojo-relay dlq redrive --native`;

const DROP_HELP = `
Examples:
  $ dojo-relay dlq drop 3f0c9b52-6b1e-4d39-9c1c-0f7a4a1de6c7
  $ dojo-relay dlq drop --filter reason=job-invalid,event-invalid`;
