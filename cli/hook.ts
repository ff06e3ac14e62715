import { Command } from "commander";
import { countsIn, describeCounts } from "../lib/model/verdicts.ts";
import { countOf } from "../lib/util/text.ts";
import type { HookResult } from "./hook/run-hook.ts";
import { print } from "./options.ts";

const USAGE = "[options] RAW_URL FINDINGS_URL [RAW_UPLOAD_URL FINDINGS_UPLOAD_URL]";

/** `dojo-relay hook`: one scan, as secureCodeBox's operator starts a hook for it. Loads its code lazily, to start fast. */
export function hookCommand(): Command {
  const command = new Command("hook");
  return command
    .description("import one scan as a hook of secureCodeBox, in place of its DefectDojo persistence hook")
    .usage(USAGE)
    .argument("[urls...]", "presigned URLs: two in read-only mode, four in read-and-write mode")
    .option("--scan <file>", "the Scan as a file (kubectl get scan NAME -o json), instead of from the Kubernetes API")
    .option("--json", "print the result as JSON instead of a line")
    .addHelpText("after", HOOK_HELP)
    .showHelpAfterError()
    .action(async (urls: string[], options: { scan?: string; json?: boolean }) => {
      if (urls.length !== 2 && urls.length !== 4) {
        command.error(`error: two or four URLs are needed, not ${urls.length}`, { exitCode: 1 });
      }
      const result = await run(urls, options.scan);
      print(result, options.json, () => summary(result));
    });
}

async function run(urls: readonly string[], scan: string | undefined): Promise<HookResult> {
  const [{ runHook }, { serviceLog }, { readHookConfig }] = await Promise.all([
    import("./hook/run-hook.ts"),
    import("./runtime/service-log.ts"),
    import("../lib/config.ts"),
  ]);
  // As PID 1 of a container it must handle the signal itself. A restart continues where it stopped.
  for (const [signal, code] of [["SIGTERM", 143] as const, ["SIGINT", 130] as const]) {
    process.once(signal, () => process.exit(code));
  }
  const log = serviceLog(readHookConfig(process.env).LOG_LEVEL);
  return await runHook({ urls, env: process.env, log, scan });
}

/** One line for the log of the hook's pod. */
function summary({ scan, outcome, receipt, patched }: HookResult): string {
  const name = `${scan.namespace}/${scan.name}`;
  if (outcome === "outdated") {
    const why = receipt?.outdated?.why ?? "its living test has a later run";
    return `${name}: outdated; ${why}; nothing was imported`;
  }
  if (outcome === "superseded") return `${name}: superseded; findings.json left as somebody else changed it meanwhile`;
  if (receipt === undefined) return `${name}: nothing imported (${outcome})`;
  const { findings, test, importedAs } = receipt;
  const done = [
    `${countOf(findings.count, "finding")} imported as ${importedAs} into ${test.url}`,
    describeCounts(countsIn(receipt)),
    receipt.outcome === "synced" ? "findings.json replaced" : "findings.json unchanged",
    ...(patched ? ["the Scan's status patched"] : []),
  ];
  return `${name}: ${done.join("; ")}`;
}

const HOOK_HELP = `
Reads results from, and with four URLs writes them to, the presigned URLs that secureCodeBox's operator passes
to hooks. The raw result is never changed. A restarted hook continues where it stopped: no scan is imported
twice.

Environment:
  SCAN_NAME, NAMESPACE              the Scan in the Kubernetes API (set by the operator)
  DEFECTDOJO_URL, DEFECTDOJO_APIKEY
  DEFECTDOJO_LOW_PRIVILEGED_MODE    true for a token that may not see users or create product types
  DEFECTDOJO_USER_ID, DEFECTDOJO_USERNAME   the engagement's lead; the token's own user without them
  SYNC_MODE                         replace (default), merge or complete
  IMPORT_MODE                       import (default) or reimport: one living test for all runs of a scan
  ON_FEWER_FINDINGS                 keep (default) or generic: where DefectDojo's parser keeps fewer than were found
  GENERIC_DETAILS                   basic (default) or full: CWE, file and line of generic findings
  SCAN_TYPE_MAP                     JSON, scan types to DefectDojo's parsers
  HOOK_TIMEOUT_SECONDS              time limit, 3600
  DEFECTDOJO_IS_DEV                 true to use a kubeconfig (KUBECONFIG, ~/.kube/config) instead of the pod's service account

Examples:
  $ SCAN_NAME=nmap-1 dojo-relay hook "$RAW_URL" "$FINDINGS_URL" "$RAW_UPLOAD_URL" "$FINDINGS_UPLOAD_URL"
  $ dojo-relay hook --scan scan.json http://127.0.0.1:8000/nmap-results.xml http://127.0.0.1:8000/findings.json`;
