import "../lib/util/memory.ts";
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { describeError, RelayError } from "../lib/errors.ts";
import { redact } from "../lib/util/secrets.ts";
import { backfillCommand } from "./backfill.ts";
import { CommandError } from "./command-error.ts";
import { completionCommand } from "./completion.ts";
import { dlqCommand } from "./dlq/dlq.ts";
import { doctorCommand } from "./doctor.ts";
import { followCommand } from "./follow.ts";
import { hookCommand } from "./hook.ts";
import { indexCommand } from "./index-scans.ts";
import { notifyCommand } from "./notify.ts";
import { resyncCommand } from "./resync.ts";
import { setupCommand } from "./setup.ts";
import { startCommand } from "./start.ts";
import { statusCommand } from "./status.ts";
import { printable } from "./terminal/printable.ts";
import { uploadCommand } from "./upload.ts";
import { waitCommand } from "./wait.ts";

/** One row per subcommand; each has its own file. */
const COMMANDS = [
  startCommand,
  setupCommand,
  doctorCommand,
  uploadCommand,
  waitCommand,
  statusCommand,
  completionCommand,
  dlqCommand,
  backfillCommand,
  resyncCommand,
  followCommand,
  notifyCommand,
  indexCommand,
  hookCommand,
];

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

export function program(): Command {
  const root = new Command("dojo-relay")
    .description("Relays secureCodeBox scan results to DefectDojo and brings DefectDojo's verdicts back.")
    .version(version)
    // Subcommands may reuse options of the program: upload has a --version, too.
    .enablePositionalOptions()
    .showHelpAfterError("(--help lists the commands, with examples)");
  for (const command of COMMANDS) root.addCommand(command());
  return root;
}

/** Runs a command line; errors of ours are one line with what to do, anything else its stack too. */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(withCommand(argv));
  } catch (error) {
    process.exitCode = 1;
    if (error instanceof RelayError || error instanceof CommandError) {
      process.stderr.write(`dojo-relay: ${printable(describeError(error))}\n${error.advice}\n`);
    } else
      process.stderr.write(
        `dojo-relay: ${printable(redact(error instanceof Error ? (error.stack ?? error.message) : String(error)))}\n`,
      );
  }
}

/** secureCodeBox's operator starts a hook's container with nothing but the URLs of a scan's results. */
function withCommand(argv: readonly string[]): readonly string[] {
  return /^https?:\/\//i.test(argv[2] ?? "") ? [...argv.slice(0, 2), "hook", ...argv.slice(2)] : argv;
}
