import { Command, InvalidArgumentError, Option } from "commander";
import { isFindingsName, nameOf, type ObjectRef, uri } from "../lib/model/object-keys.ts";
import { storedFindings } from "../lib/report/report.ts";
import { CommandError } from "./command-error.ts";
import { commandLog } from "./command-log.ts";
import type { DeadLetter } from "./dlq/dead-letter.ts";
import { visitDeadLetters } from "./dlq/dead-letter-visit.ts";
import { fifo } from "./dlq/fifo.ts";
import { findQueues, type Operator, operator } from "./operator.ts";
import { print } from "./options.ts";
import { parseDuration } from "./terminal/durations.ts";
import { interruptible } from "./terminal/interruption.ts";
import { progressLine } from "./terminal/progress.ts";
import { exitCodeOf } from "./wait/exit-codes.ts";
import { type Gated, type GateRule, parseGate, passGate } from "./wait/gate.ts";
import { type FindDeadLetter, type WaitEnd, waitFor } from "./wait/wait-for.ts";
import { describeResult, type WaitResult, waitResult } from "./wait/wait-result.ts";

export interface WaitOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly failOn?: readonly GateRule[];
}

const TIMEOUT_MS = 30 * 60_000;

/** `dojo-relay wait s3://BUCKET/FOLDER/…`: waits for the receipts; the exit code tells the result. */
export function waitCommand(): Command {
  return new Command("wait")
    .description("wait for the receipts of uploads and turn them into an exit code: the gate of a pipeline")
    .argument("<where...>", "s3://BUCKET/FOLDER/ of a scan, or the key of its findings")
    .addOption(timeoutOption())
    .addOption(failOnOption())
    .option("--json", "print an array with one object per upload instead of text")
    .addHelpText("after", WAIT_HELP)
    .action(async (where: string[], options: WaitOptions & { json?: boolean }) => {
      const operating = operator(process.env);
      const all = where.map((one) => findingsAt(one, operating.config));
      const results = await waitForAll(operating, all, options);
      print(results, options.json, () => results.map(describeResult).join("\n\n"));
    });
}

export const timeoutOption = () =>
  new Option("--timeout <duration>", "give up after (30s, 10m, 2h)").default(TIMEOUT_MS, "30m").argParser((text) => {
    const ms = parseDuration(text);
    if (ms === undefined || ms <= 0) throw new InvalidArgumentError("It must be a duration (30s, 10m, 2h).");
    return ms;
  });

export const failOnOption = () =>
  new Option(
    "--fail-on <severity[:which]>",
    "exit 2 for findings that bad or worse (critical, high, medium, low, info) that are new (default), active or any; several with commas",
  ).argParser(parseGate);

/** Waits for each of them in turn, and sets the exit code. */
export async function waitForAll(
  operating: Operator,
  all: readonly ObjectRef[],
  { timeout, failOn = [] }: WaitOptions,
): Promise<WaitResult[]> {
  const { storage, config } = operating;
  const log = commandLog();
  const settings = {
    sidecarName: config.SIDECAR_NAME,
    findingsName: config.FINDINGS_NAME,
    maxSidecarBytes: config.MAX_SIDECAR_BYTES,
  };
  const deadLetter = await findDeadLetter(operating);
  const end = performance.now() + timeout;
  const results: WaitResult[] = [];
  await interruptible(async (signal) => {
    for (const findings of all) {
      if (signal.aborted) return;
      const line = progressLine();
      const progress = (what: string) => line.update(() => `${uri(findings)}: ${what}`);
      const timeoutMs = Math.max(0, end - performance.now());
      const ended = await waitFor({ storage, findings, settings, log, deadLetter, timeoutMs, signal, progress });
      line.clear();
      results.push(waitResult(uri(findings), ended, await gated(operating, findings, ended, failOn)));
    }
  });
  const code = exitCodeOf(results.map(({ ended }) => ended));
  if (code !== 0) process.exitCode = code;
  return results;
}

async function gated(
  { storage }: Operator,
  findings: ObjectRef,
  end: WaitEnd,
  rules: readonly GateRule[],
): Promise<Gated | undefined> {
  if (end.state !== "done") return undefined;
  if (end.receipt.outcome === "imported" && rules.length > 0) {
    throw new CommandError(
      "--fail-on cannot work: in read-only mode findings.json holds no verdicts",
      "Set DEFECTDOJO_SYNC_FINDINGS_BACK=true for the relay, or use the counts of the receipt.",
    );
  }
  return await passGate(storedFindings(storage, findings), rules);
}

/** @returns undefined if the queues cannot be reached: a dead letter is then a time-out */
async function findDeadLetter(operating: Operator): Promise<FindDeadLetter | undefined> {
  const urls = await findQueues(operating).catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write("The queues cannot be reached: a dead-lettered scan ends as a time-out.\n");
    return undefined;
  });
  if (urls === undefined) return undefined;
  const dlq = fifo(operating.sqs, urls.dlqUrl);
  return async (isOurs, thorough) => {
    const { waiting, inFlight } = await dlq.counts();
    if (waiting + inFlight === 0) return undefined;
    let found: DeadLetter | undefined;
    const look = async (letter: DeadLetter) => {
      if (isOurs(letter)) found = letter;
      return "kept" as const;
    };
    await visitDeadLetters(dlq, look, { turnOver: thorough, enough: () => found !== undefined });
    return found;
  };
}

/** `s3://bucket/folder/`, or the findings themselves. @throws CommandError if it is not a location of findings */
function findingsAt(where: string, { FINDINGS_NAME: name }: Operator["config"]): ObjectRef {
  const [, bucket, path] = /^s3:\/\/([^/]+)\/(.*)$/.exec(where) ?? [];
  if (bucket === undefined || path === undefined) {
    throw new CommandError(
      `${where} is not an s3:// URL`,
      "Give s3://BUCKET/FOLDER/ as `dojo-relay upload` prints it.",
    );
  }
  if (isFindingsName(name, nameOf(path))) return { bucket, key: path };
  if (name.includes("*")) {
    throw new CommandError(`${where} names no findings`, `Give the key of the findings themselves (…${name}).`);
  }
  return { bucket, key: `${path === "" || path.endsWith("/") ? path : `${path}/`}${name}` };
}

const WAIT_HELP = `
Exit codes:
  0    the receipts are there, and no --fail-on applies
  1    an error; wrong usage
  2    --fail-on applies
  3    in the dead-letter queue: no retry can help
  4    no receipt within --timeout
  5    superseded: uploaded again or deleted in the meantime
  6    the scan is annotated do-not-import
  7    outdated: a later run of the same living test was imported before, and nothing of this one
  130  interrupted

Examples:
  $ dojo-relay wait s3://securecodebox/shop/trivy-1/ --timeout 10m
  $ dojo-relay wait s3://securecodebox/shop/trivy-1/ --fail-on high:new,critical:active --json`;
