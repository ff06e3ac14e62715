import { Command } from "commander";
import type { Fields, Log } from "../lib/observe.ts";
import { startStage } from "./demo/stage.ts";
import { tellStory } from "./demo/story.ts";
import { print } from "./options.ts";
import type { Service } from "./runtime/service.ts";
import { serviceLog } from "./runtime/service-log.ts";
import { untilSignalled } from "./start.ts";

/** The main job on the embedded default: a week of scans through the service into a stand-in DefectDojo and back. */
async function demo({ once = false, json = false }: { once?: boolean; json?: boolean }): Promise<void> {
  let telling = !json;
  const stage = await startStage(quietWhile(() => telling, serviceLog(once && json ? "info" : "warn")));
  try {
    const say = (text: string) => void (json || process.stdout.write(`${text}\n`));
    const rows = await tellStory(stage, say);
    if (json) print(rows, true, () => "");
    if (rows.some(({ outcome }) => outcome !== "synced")) process.exitCode = 1;
    telling = false;
    if (once) return;
    process.stderr.write(invitation(stage.service, stage.standin !== undefined));
    await untilSignalled();
  } finally {
    await stage.close();
  }
  // Does not wait for a handler that was cut off: it may still be waiting for DefectDojo.
  process.exit();
}

/** The story reports failures itself; log lines would interrupt it. */
function quietWhile(quiet: () => boolean, log: Log): Log {
  const unless = (write: Log["warn"]) => (message: string, fields?: Fields) => {
    if (!quiet()) write(message, fields);
  };
  return { debug: unless(log.debug), info: unless(log.info), warn: unless(log.warn), error: unless(log.error) };
}

function invitation(service: Service, standin: boolean): string {
  const { url, s3Endpoint, sqsEndpoint, bucket, dojoUrl, generatedToken } = service;
  return `
The service runs until Ctrl-C.
  page, health, metrics   ${url}/  ${url}/healthz  ${url}/metrics
  token of the page       ${generatedToken ?? "WEBHOOK_TOKEN"}
  bucket                  s3://${bucket} at ${s3Endpoint} (path style, any credentials)
  DefectDojo              ${dojoUrl}${standin ? " (a stand-in)" : ""}
From another terminal:
  export AWS_ENDPOINT_URL_S3=${s3Endpoint} AWS_ENDPOINT_URL_SQS=${sqsEndpoint}
  npx dojo-relay upload DIR…
  npx dojo-relay status
  npx dojo-relay dlq list
`;
}

await new Command("npm start --")
  .description("The main job on the embedded default: scans into DefectDojo, verdicts back. Logs go to stderr.")
  .option("--once", "exit after the samples; exit code 1 if a scan failed")
  .option("--json", "print an array with one object per scan instead of the story")
  .action(demo)
  .parseAsync(process.argv);
