import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { addCounts, describeCounts, type FindingCounts, NO_FINDINGS } from "../lib/model/verdicts.ts";
import { redactAll } from "../lib/util/secrets.ts";
import { commandLog } from "./command-log.ts";
import { fifo } from "./dlq/fifo.ts";
import { type FollowLag, followLags } from "./follow-lag.ts";
import { findQueues, type Operator, operator } from "./operator.ts";
import { type KnownReceipts, type ScanState, scanStates } from "./scan-states.ts";
import { interruptible } from "./terminal/interruption.ts";
import { printable, printableJson, printableLine, shellWord } from "./terminal/printable.ts";
import { progressLine } from "./terminal/progress.ts";
import { table } from "./terminal/table.ts";

interface Options {
  readonly watch?: number | true;
  readonly json?: boolean;
}

export interface Status {
  readonly scans: Readonly<Record<ScanState["state"], number>>;
  /** Jobs waiting, in flight and dead-lettered; missing if the queues are unavailable. */
  readonly queue?: { readonly waiting: number; readonly running: number; readonly failed: number };
  /** Findings in all and by count. */
  readonly findings: FindingCounts & { readonly findings: number };
  /** How far verdicts are followed, per DefectDojo; empty if nobody follows them. */
  readonly follow: readonly FollowLag[];
  /** Scanners' findings without a match in DefectDojo. */
  readonly onlyInScan: number;
  /** Scans where DefectDojo keeps less than was uploaded, or has less by now, at most {@link MOST_OPEN}. */
  readonly losses: readonly { readonly key: string; readonly loss: string }[];
  /** How many of those that are done were not imported, as a later run of their living test was before. */
  readonly outdated: number;
  /** Scans that are not done, at most {@link MOST_OPEN}. */
  readonly open: readonly ScanState[];
  /** Over all finished scans, each finding counted once per scan. */
  readonly unknownAnnotations: number;
  readonly notes: readonly string[];
}

const MOST_OPEN = 1_000;
const MOST_SHOWN = 20;
const WATCH_SECONDS = 2;

/** `dojo-relay status [PREFIX]`: done, running, waiting, failed. */
export function statusCommand(): Command {
  return new Command("status")
    .description("state of the scans: receipts, running imports, queues, totals of findings")
    .argument("[prefix]", "only scans below this prefix", "")
    .option("--watch [seconds]", `refresh at this interval (default: ${WATCH_SECONDS})`, parseSeconds)
    .option("--json", "print one JSON object; with --watch one per line")
    .addHelpText("after", STATUS_HELP)
    .action(async (prefix: string, { watch, json = false }: Options) => {
      const operating = operator(process.env);
      const known: KnownReceipts = new Map();
      await interruptible(async (signal) => {
        const seconds = watch === true ? WATCH_SECONDS : watch;
        do {
          const status = await lookUp(operating, prefix, known, signal);
          if (signal.aborted) return;
          show(status, json, seconds !== undefined);
          if (seconds !== undefined) await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
        } while (seconds !== undefined && !signal.aborted);
      });
      // Watching ends by hand.
      if (watch !== undefined) process.exitCode = 0;
    });
}

async function lookUp(
  { config, sqs, storage }: Operator,
  prefix: string,
  known: KnownReceipts,
  signal: AbortSignal,
): Promise<Status> {
  const notes: string[] = [];
  const queue = await queueCounts({ config, sqs }).catch((error: unknown) => {
    notes.push(`the queues are unavailable: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  const follow = await followLags(storage, config.BUCKET, commandLog());
  const scans = { done: 0, running: 0, waiting: 0 };
  let findings: Status["findings"] = { findings: 0, ...NO_FINDINGS };
  const open: ScanState[] = [];
  const losses: { key: string; loss: string }[] = [];
  let onlyInScan = 0;
  let outdated = 0;
  let unknownAnnotations = 0;
  const line = progressLine();
  const where = { bucket: config.BUCKET, prefix, findingsName: config.FINDINGS_NAME, log: commandLog() };
  for await (const scan of scanStates(storage, where, known)) {
    if (signal.aborted) break;
    scans[scan.state]++;
    if (scan.state === "done") {
      findings = { findings: findings.findings + scan.findings, ...addCounts(findings, scan) };
      onlyInScan += scan.onlyInScan;
      if (scan.outdated !== undefined) outdated++;
      if (scan.loss !== undefined && losses.length < MOST_OPEN) losses.push({ key: scan.key, loss: scan.loss });
      unknownAnnotations += scan.unknownAnnotations;
    } else if (open.length < MOST_OPEN) open.push(scan);
    line.update(() => `${scans.done + scans.running + scans.waiting} scans looked at, at ${scan.key}`);
  }
  line.clear();
  if (unknownAnnotations > 0)
    notes.push(`${unknownAnnotations} annotations are not known and were ignored: each receipt's warnings name them`);
  if (outdated > 0) notes.push(outdatedScans(outdated, prefix));
  return {
    scans,
    ...(queue === undefined ? {} : { queue }),
    findings,
    follow,
    onlyInScan,
    losses,
    outdated,
    open,
    unknownAnnotations,
    notes,
  };
}

function outdatedScans(count: number, prefix: string): string {
  const scans = count === 1 ? "1 scan that is done is" : `${count} scans that are done are`;
  const remedy = `dojo-relay backfill ${shellWord(prefix)} --force`;
  return `${scans} outdated: a later run of the same living test was imported before. To import such runs all the same: ${remedy}`;
}

async function queueCounts({ config, sqs }: Pick<Operator, "config" | "sqs">) {
  const { queueUrl, dlqUrl } = await findQueues({ config, sqs });
  const [queue, dlq] = await Promise.all([fifo(sqs, queueUrl).counts(), fifo(sqs, dlqUrl).counts()]);
  return { waiting: queue.waiting, running: queue.inFlight, failed: dlq.waiting + dlq.inFlight };
}

function show(status: Status, json: boolean, again: boolean): void {
  const text = json ? printableJson(redactAll(status), again ? 0 : 1) : printable(describe(status));
  // Redraws a terminal from its top left corner.
  const clear = again && !json && process.stdout.isTTY ? "\u001b[H\u001b[2J\u001b[3J" : "";
  const time = again && !json ? `${new Date().toISOString()}\n` : "";
  process.stdout.write(`${clear}${time}${text}\n${again && !json && clear === "" ? "\n" : ""}`);
}

export function describe({ scans, queue, findings, follow, onlyInScan, losses, open, notes }: Status): string {
  const counts = (values: Readonly<Record<string, number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${value} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`)
      .join(", ");
  const { findings: all, ...verdicts } = findings;
  const shown = open.slice(0, MOST_SHOWN).map(({ key, state, ...rest }) => ({
    scan: key,
    state,
    "how far": "what" in rest ? rest.what : "",
  }));
  const more = scans.running + scans.waiting - shown.length;
  return [
    `scans     ${counts(scans)}`,
    ...(queue === undefined ? [] : [`jobs      ${counts(queue)}`]),
    ...follow.map(({ upTo, lagSeconds }) => `verdicts  up to ${upTo}, ${lagSeconds} s ago`),
    `findings  ${all}: ${describeCounts(verdicts)}`,
    ...(onlyInScan === 0
      ? []
      : [`          ${onlyInScan} more that only the scanners found: DefectDojo has no counterpart`]),
    ...losses.slice(0, MOST_SHOWN).map(({ key, loss }) => `${printableLine(key)}: ${loss}`),
    ...(losses.length > MOST_SHOWN ? [`and ${losses.length - MOST_SHOWN} more scans with losses`] : []),
    ...(shown.length === 0 ? [] : ["", table(shown)]),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...(queue !== undefined && queue.failed > 0 ? ["", "What failed and why: dojo-relay dlq list"] : []),
    ...notes.map((note) => `\n${printableLine(note)}`),
  ].join("\n");
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0) || seconds > 86_400) throw new InvalidArgumentError("It must be a number of seconds.");
  return seconds;
}

const STATUS_HELP = `
scans: done (with a receipt for the current findings), running (an import has begun), waiting (neither).
verdicts: how far DefectDojo's verdicts are followed, noted every ten minutes and with each change.
jobs: waiting in the queue, running, failed (in the dead-letter queue).

Examples:
  $ dojo-relay status nightly/
  $ dojo-relay status --watch
  $ dojo-relay status --json | jq .findings.new`;
