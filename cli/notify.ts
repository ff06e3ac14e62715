import { Command } from "commander";
import { s3Client } from "../lib/aws/clients.ts";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { readNotifierConfig } from "../lib/config.ts";
import { describeError, toRelayError } from "../lib/errors.ts";
import type { Notice } from "../lib/model/notice.ts";
import { type ObjectRef, uri } from "../lib/model/object-keys.ts";
import { openNoticeKey } from "../lib/model/state-keys.ts";
import { NOTICE_FORMATS } from "../lib/notify/formats.ts";
import { notifyReceipt } from "../lib/notify/notify-receipt.ts";
import { notifySettings } from "../lib/notify/settings.ts";
import { listedScans } from "../lib/sync/scan-folders.ts";
import { systemClock } from "../lib/util/clock.ts";
import { configuredWebhook } from "../lib/webhook/notify-ports.ts";
import { CommandError } from "./command-error.ts";
import { commandLog, NO_METRICS } from "./command-log.ts";
import { withOwnServers } from "./operator.ts";
import { print } from "./options.ts";
import { interruptible } from "./terminal/interruption.ts";
import { printableLine } from "./terminal/printable.ts";

interface Options {
  readonly mark?: boolean;
  readonly test?: boolean;
  readonly json?: boolean;
}

interface Told {
  readonly sent: number;
  readonly nothing: number;
  readonly failed: number;
}

/** `dojo-relay notify [PREFIX]`: sends outstanding messages to NOTIFY_URL. */
export function notifyCommand(): Command {
  return new Command("notify")
    .description("send outstanding messages about receipts to the webhook NOTIFY_URL")
    .argument("[prefix]", "only scans below this prefix", "")
    .option("--mark", "mark everything as sent without sending it, before notifications are switched on")
    .option("--test", "send one example message")
    .option("--json", "print {sent, nothing, failed} instead of lines")
    .addHelpText("after", NOTIFY_HELP)
    .action(async (prefix: string, options: Options) => {
      if (options.test === true) return await sendTest();
      const told = await tell(prefix, options.mark ?? false);
      if (told.failed > 0) process.exitCode = 1;
      print(told, options.json, () => `${told.sent} sent, ${told.nothing} without news, ${told.failed} failed`);
    });
}

function setUp() {
  const env = withOwnServers(process.env);
  const config = readNotifierConfig(env);
  const webhook = configuredWebhook(config, process.env);
  if (webhook === undefined) throw new CommandError("NOTIFY_URL is not set", "Set it (docs/notifications.md).");
  return { config, webhook, storage: s3Storage(s3Client(config, process.env)) };
}

async function tell(prefix: string, markOnly: boolean): Promise<Told> {
  const { config, webhook, storage } = setUp();
  const ports = { log: commandLog(), metrics: NO_METRICS, storage, webhook, clock: systemClock };
  const settings = { ...notifySettings(config), markOnly };
  const told = { sent: 0, nothing: 0, failed: 0 };
  await interruptible(async (signal) => {
    for await (const scan of listedScans(storage.list(config.BUCKET, prefix), config.FINDINGS_NAME)) {
      if (signal.aborted) return;
      if (scan.receipt === undefined) continue;
      const findings: ObjectRef = { bucket: scan.findings.bucket, key: scan.findings.key };
      try {
        const { outcome, notice } = await notifyReceipt(findings, ports, settings);
        await storage.remove({ bucket: findings.bucket, key: openNoticeKey(findings) });
        told[outcome]++;
        if (notice !== undefined) process.stderr.write(`sent  ${printableLine(notice.title)}\n`);
      } catch (error) {
        told.failed++;
        process.stderr.write(`failed  ${printableLine(uri(findings))}: ${describeError(toRelayError(error), 300)}\n`);
      }
    }
  });
  return told;
}

async function sendTest(): Promise<void> {
  const { config, webhook } = setUp();
  await webhook.send(NOTICE_FORMATS[config.NOTIFY_FORMAT](EXAMPLE), EXAMPLE.id);
  process.stdout.write("the test message was sent\n");
}

const EXAMPLE_COUNTS = { new: 1, underReview: 0, riskAccepted: 0, outOfScope: 0, falsePositives: 0, duplicates: 0 };

const EXAMPLE: Notice = {
  id: "test",
  title: "Test message of dojo-relay: 1 new finding in Shop (nmap-shop)",
  scan: { name: "nmap-shop", scanType: "nmap", importedAs: "Nmap Scan" },
  product: "Shop",
  engagement: "nmap-shop",
  test: { name: "nmap-shop", url: "https://defectdojo.example.com/test/1" },
  findings: "s3://securecodebox/nmap-shop/findings.json",
  counts: { ...EXAMPLE_COUNTS, mitigated: 0, inactive: 0, missing: 0 },
  fresh: {
    count: 1,
    shown: [
      {
        id: 1,
        name: "Open port: 22/tcp",
        severity: "Medium",
        url: "https://defectdojo.example.com/finding/1",
        location: "tcp://shop.example.com:22",
      },
    ],
  },
  changed: { count: 0, shown: [] },
};

const NOTIFY_HELP = `
The bucket records what was sent, below .dojo-relay/notify/: the command is idempotent.

Examples:
  $ NOTIFY_URL=https://hooks.example.com/… NOTIFY_FORMAT=slack dojo-relay notify --test
  $ dojo-relay notify --mark
  $ dojo-relay notify nightly/`;
