import { Command } from "commander";
import { s3Client, sqsClient } from "../lib/aws/clients.ts";
import { followPorts } from "../lib/aws/follow-ports.ts";
import { readFollowConfig } from "../lib/config.ts";
import { follow } from "../lib/follow/follow.ts";
import { followRound, type Round } from "../lib/follow/follow-round.ts";
import { warnOfTypos } from "../lib/model/typos.ts";
import { commandLog, NO_METRICS } from "./command-log.ts";
import { findQueues, operator, withOwnServers } from "./operator.ts";
import { parseSince, print } from "./options.ts";
import { interruptible } from "./terminal/interruption.ts";

/** `dojo-relay follow`: writes DefectDojo's verdicts to the bucket soon after they are made. */
export function followCommand(): Command {
  return new Command("follow")
    .description("watch DefectDojo's feed of verdicts and enqueue a resync for each affected scan")
    .option("--once", "run one round, then exit")
    .option("--since <date>", "if no follower ran before: go back to a date or an age (7d)", parseSince)
    .option("--json", "print one object per round")
    .addHelpText("after", HELP)
    .action(async ({ once, since, json }: { once?: boolean; since?: Date; json?: boolean }) => {
      const env = withOwnServers(process.env);
      const config = readFollowConfig(env);
      const { queueUrl } = await findQueues(operator(env));
      const clients = { s3: s3Client(config, env), sqs: sqsClient(config, env) };
      const observer = { log: commandLog(), metrics: NO_METRICS };
      warnOfTypos(env, observer.log);
      const ports = followPorts({ ...config, QUEUE_URL: queueUrl }, observer, clients, env);
      const settings = { bucket: config.BUCKET, since: since?.toISOString() };
      const show = (round: Round) => print(round, json, () => describe(round));
      if (once) return show(await followRound(ports, settings));
      const intervalMs = Math.max(1, config.FOLLOW_SECONDS) * 1000;
      await interruptible((signal) => follow(ports, settings, { intervalMs, signal, onRound: show }));
    });
}

function describe({ changes, resyncs, lagMs }: Round): string {
  return `${changes} changes, ${resyncs} resyncs enqueued, ${(lagMs / 1000).toFixed(1)} s behind`;
}

const HELP = `
The service does this by itself (FOLLOW_SECONDS). While nothing changes, a round costs DefectDojo one request, however many scans there are, and after five minutes the interval doubles, up to a minute.
The importer works on the resync jobs; scans that an older version imported are found after \`dojo-relay index\`.

Examples:
  $ dojo-relay follow --once
  $ dojo-relay follow --since 7d
  $ FOLLOW_SECONDS=10 dojo-relay follow --json`;
