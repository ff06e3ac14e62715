import { Command } from "commander";
import { s3Client } from "../lib/aws/clients.ts";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { readResyncConfig } from "../lib/config.ts";
import { dojoPort } from "../lib/defectdojo/dojo-port.ts";
import { describeError } from "../lib/errors.ts";
import { lossOf } from "../lib/model/receipt.ts";
import { warnOfTypos } from "../lib/model/typos.ts";
import { countsIn, describeCounts } from "../lib/model/verdicts.ts";
import { type Resynced, resyncScans } from "../lib/sync/resync-scans.ts";
import { resyncSettings } from "../lib/sync/settings.ts";
import { systemClock } from "../lib/util/clock.ts";
import { countOf } from "../lib/util/text.ts";
import { commandLog, NO_METRICS } from "./command-log.ts";
import { withOwnServers } from "./operator.ts";
import { parseSince, print } from "./options.ts";
import { interruptible } from "./terminal/interruption.ts";
import { printableLine } from "./terminal/printable.ts";
import { progressBar } from "./terminal/progress.ts";

/** `dojo-relay resync PREFIX`: today's verdicts for scans that were synced before. */
export function resyncCommand(): Command {
  return new Command("resync")
    .description(
      "read the tests of finished scans again and rewrite their findings with current verdicts; imports nothing",
    )
    .argument("[prefix]", "only scans below this prefix", "")
    .option("--since <date>", "only scans imported since: a date or an age (7d)", parseSince)
    .option("--json", "print an array with one object per scan")
    .addHelpText("after", RESYNC_HELP)
    .action(async (prefix: string, { since, json }: { since?: Date; json?: boolean }) => {
      const results = await interruptible((signal) => resync(prefix, since, signal));
      print(results.map(toJson), json, () => describe(results));
      if (results.some(({ outcome }) => outcome === "failed")) process.exitCode ??= 1;
    });
}

async function resync(prefix: string, since: Date | undefined, signal: AbortSignal): Promise<Resynced[]> {
  const config = readResyncConfig(withOwnServers(process.env));
  const log = commandLog();
  warnOfTypos(process.env, log);
  const ports = {
    storage: s3Storage(s3Client(config, process.env)),
    dojo: dojoPort(config, process.env),
    clock: systemClock,
    log,
    metrics: NO_METRICS,
  };
  const settings = { ...resyncSettings(config), prefix, since, stop: () => signal.aborted };
  const bar = progressBar("resynced", undefined);
  const results: Resynced[] = [];
  try {
    for await (const result of resyncScans(ports, settings)) {
      results.push(slim(result));
      bar.advance(`${result.key} (${result.outcome})`);
    }
  } finally {
    bar.stop();
  }
  return results;
}

/** Categories are the part of a receipt that grows. */
function slim(result: Resynced): Resynced {
  if (result.outcome !== "synced") return result;
  const { receipt } = result;
  return { ...result, receipt: { ...receipt, findings: { ...receipt.findings, categories: {} }, repairs: [] } };
}

function toJson(result: Resynced) {
  const { key, outcome } = result;
  if (result.outcome === "skipped") return { key, outcome, why: result.why };
  if (result.outcome === "failed") {
    return { key, outcome, reason: result.error.reason, why: describeError(result.error), advice: result.error.advice };
  }
  const { findings, test } = result.receipt;
  const loss = lossOf(result.receipt);
  return {
    ...{ key, outcome, findings: findings.count, ...countsIn(result.receipt) },
    ...(loss === undefined ? {} : { loss }),
    testUrl: test.url,
  };
}

function describe(results: readonly Resynced[]): string {
  const lines = results.map((result) => {
    if (result.outcome === "skipped") return `skipped  ${result.key}  (${result.why})`;
    if (result.outcome === "failed") return `failed   ${result.key}  (${describeError(result.error, 300)})`;
    const { findings } = result.receipt;
    const loss = lossOf(result.receipt);
    const counts = describeCounts(countsIn(result.receipt));
    return `synced   ${result.key}  ${countOf(findings.count, "finding")}: ${counts}${loss === undefined ? "" : `  (${loss})`}`;
  });
  const count = (outcome: Resynced["outcome"]) => results.filter((result) => result.outcome === outcome).length;
  return [
    ...lines.map(printableLine),
    `${count("synced")} synced, ${count("skipped")} skipped, ${count("failed")} failed`,
  ].join("\n");
}

const RESYNC_HELP = `
For triage after the fact: findings marked as false positive, mitigated or risk accepted since the import. Findings that
somebody uploaded anew meanwhile are left alone. Exit code 1 if a scan failed; the others are complete.

Examples:
  $ dojo-relay resync nightly/ --since 30d
  $ dojo-relay resync --json | jq '[.[] | select(.outcome == "failed")]'`;
