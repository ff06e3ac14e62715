import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { Env } from "../../lib/config.ts";
import { bundle, FUNCTIONS, type FunctionName } from "../bundle/bundle.ts";
import type { Answer } from "./lambda-runtime.ts";
import { isBare, startLocalStores } from "./local-stores.ts";
import { invokeInRie } from "./rie.ts";

const HELP = `usage: npm run invoke -- ingest|importer|resync|follow|notify EVENT.json [--rie]

Runs a function as it is deployed (its bundle, freshly built) on one event. The answer, or the error as Lambda gives it, is JSON on stdout;
everything else goes to stderr. EVENT.json may be - for stdin.

  --rie   under the Lambda Runtime Interface Emulator (aws-lambda-rie on the PATH, or RIE_BIN) instead of in a process of its own

Where the environment names no store, queue or account, an embedded store and queue and a stand-in DefectDojo are started, the scans beside
the event are uploaded, and what lies in queue and bucket afterwards is printed. For resync and notify, the scans are imported first; a webhook
on this machine prints what notify sends.

Otherwise: QUEUE_URL and DLQ_URL for ingest and importer, QUEUE_URL for follow, BUCKET for resync, follow and notify, NOTIFY_URL for notify,
DEFECTDOJO_URL and DEFECTDOJO_APIKEY for importer, resync and follow;
AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS where they are not AWS. Credentials as a function has them: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (no profiles: eval "$(aws configure export-credentials --format env)" takes them from one).

Examples:
  $ npm run invoke -- ingest infra/events/s3-put.json
  $ npm run invoke -- importer infra/events/sqs-job.json
  $ npm run invoke -- resync infra/events/schedule.json
  $ npm run invoke -- notify infra/events/receipt-put.json
  $ export AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324
  $ export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any QUEUE_URL=… DLQ_URL=… DEFECTDOJO_URL=… DEFECTDOJO_APIKEY=…
  $ npm run invoke -- importer infra/events/sqs-job.json

Exit code: 0 answered, 1 the function failed, 2 wrong arguments or configuration.
`;

/** Seconds and megabytes, as in serverless.yml. */
const LIMITS: Readonly<Record<FunctionName, { readonly timeout: number; readonly memory: number }>> = {
  ingest: { timeout: 60, memory: 512 },
  importer: { timeout: 900, memory: 1024 },
  resync: { timeout: 900, memory: 1024 },
  follow: { timeout: 60, memory: 512 },
  notify: { timeout: 300, memory: 512 },
};

class UsageError extends Error {
  override readonly name = "UsageError";
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { rie: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const [wanted, eventFile, ...more] = positionals;
  const name = FUNCTIONS.find((known) => known === wanted);
  if (name === undefined || eventFile === undefined || more.length > 0) {
    throw new UsageError(`give a function (${FUNCTIONS.join(", ")}) and an event; --help shows examples`);
  }
  const event = await readEvent(eventFile);
  const local = isBare(process.env) ? await startLocalStores(process.env, eventFile) : undefined;
  try {
    if (local !== undefined && NEEDS_IMPORT.has(name)) await invoke("importer", await readEvent(JOB), local.env, false);
    showAnswer(await invoke(name, event, local?.env ?? {}, values.rie));
    if (local !== undefined) process.stderr.write(`\n${await local.report()}\n`);
  } finally {
    await local?.stop();
  }
}

/** Functions that need an imported scan before they have anything to do on a bare machine. */
const NEEDS_IMPORT: ReadonlySet<FunctionName> = new Set(["resync", "notify"]);
/** The event that imports that scan. */
const JOB = join(import.meta.dirname, "../events/sqs-job.json");

async function invoke(name: FunctionName, event: unknown, stores: Env, rie: boolean): Promise<Answer> {
  const { path } = await bundle(name);
  const env = lambdaEnvironment(name, { ...process.env, ...stores });
  return rie ? await invokeInRie(path, event, env) : await invokeInChild(path, event, env, LIMITS[name].timeout);
}

/** Prints the response on stdout and sets the exit code. */
function showAnswer(answer: Answer): void {
  if ("result" in answer) {
    process.stdout.write(`${JSON.stringify(answer.result ?? null, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`${JSON.stringify(answer.failed, undefined, 2)}\n`);
  process.exitCode = answer.atInit ? 2 : 1;
  if (answer.atInit)
    process.stderr.write("The function could not start; --help tells what the environment must hold.\n");
}

async function readEvent(file: string): Promise<unknown> {
  try {
    return JSON.parse(file === "-" ? await text(process.stdin) : await readFile(file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file} holds no event: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Sets Lambda's variables unless they are already set. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
function lambdaEnvironment(name: FunctionName, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (!env.AWS_ACCESS_KEY_ID || !env.AWS_SECRET_ACCESS_KEY) {
    throw new UsageError(
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set: a function has its credentials from the environment; --help tells more",
    );
  }
  return {
    AWS_REGION: "us-east-1",
    ...env,
    AWS_LAMBDA_FUNCTION_NAME: `dojo-relay-local-${name}`,
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(LIMITS[name].memory),
    AWS_LAMBDA_FUNCTION_TIMEOUT: String(LIMITS[name].timeout),
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
  };
}

/** Runs the function in its own process, which is killed at the function's timeout. Its stdout (logs and metrics) goes to our stderr. */
async function invokeInChild(path: string, event: unknown, env: NodeJS.ProcessEnv, timeout: number): Promise<Answer> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "invoke-child.ts"), path], {
    env,
    stdio: ["ignore", process.stderr, process.stderr, "ipc"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeout * 1000);
  child.send({ event, deadline: Date.now() + timeout * 1000 });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      child.once("message", (answer: Answer) => resolve(answer));
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        const why = signal === "SIGKILL" ? `Task timed out after ${timeout}.00 seconds` : `exit ${signal ?? code}`;
        resolve({ failed: { errorType: "Runtime.ExitError", errorMessage: why } });
      });
    });
  } finally {
    clearTimeout(timer);
    if (child.connected) child.disconnect();
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`invoke: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError || isParseError(error) ? 2 : 1;
  }
}

function isParseError(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}
