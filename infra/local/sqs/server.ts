import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { privateDirectory } from "../data-directory.ts";
import { type DiskHealth, diskHealth } from "../disk-health.ts";
import { type EmbeddedStore, listenOnLoopback } from "../http-listener.ts";
import { openDatabase } from "../sqlite.ts";
import { ACTIONS } from "./actions.ts";
import { SqsError } from "./errors.ts";
import { createArrivals, SQS_SCHEMA, type SqsContext } from "./store.ts";

export interface EmbeddedSqsOptions {
  /** Loopback only, since signatures are accepted without verification. @default "127.0.0.1" */
  readonly host?: string;
  /** @default 0, a free port */
  readonly port?: number;
  /** Directory of the database, for one process at a time. */
  readonly dataDir: string;
  /** Called with internal errors. */
  readonly report?: (message: string) => void;
  /** The clock in milliseconds; tests replace it to skip minutes. @default Date.now */
  readonly now?: () => number;
}

/** A batch is at most 1 MiB; JSON escapes can make it six times as long. */
const MAX_REQUEST = 8 * 1024 ** 2;
const TARGET = /^AmazonSQS\.(\w+)$/;

/**
 * SQS over the AWS JSON 1.0 protocol, on node:sqlite. See docs/adr/0001.
 * @throws DataDirectoryError
 */
export async function startEmbeddedSqs(options: EmbeddedSqsOptions): Promise<EmbeddedStore> {
  const { host = "127.0.0.1", port = 0, dataDir, report, now = Date.now } = options;
  await privateDirectory(dataDir);
  const { database } = openDatabase(join(dataDir, "sqs.sqlite"), SQS_SCHEMA);
  const disk = diskHealth(dataDir, report);
  const stopped = new AbortController();
  let url = "";
  const context: SqsContext = { database, now, url: () => url, arrivals: createArrivals(), stopped: stopped.signal };
  try {
    const listener = await listenOnLoopback(host, port, (request, response) =>
      serve(context, request, response, { disk, report }),
    );
    url = listener.url;
    return {
      url: listener.url,
      port: listener.port,
      problem: disk.problem,
      async close() {
        stopped.abort();
        await listener.close();
        database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

async function serve(
  context: SqsContext,
  request: IncomingMessage,
  response: ServerResponse,
  { disk, report }: { readonly disk: DiskHealth; readonly report: EmbeddedSqsOptions["report"] },
): Promise<void> {
  const requestId = randomUUID();
  const clientGone = new AbortController();
  response.once("close", () => clientGone.abort());
  try {
    const name = TARGET.exec(String(request.headers["x-amz-target"] ?? ""))?.[1] ?? "";
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (request.method !== "POST" || !action) {
      const what = name === "" ? "the query protocol (only AWS JSON 1.0)" : name;
      throw new SqsError("UnsupportedOperation", `This server does not support ${what}.`);
    }
    const result = await action(context, await readJson(request), clientGone.signal);
    answer(response, 200, requestId, result);
  } catch (error) {
    if (clientGone.signal.aborted) return;
    if (!(error instanceof SqsError) && !disk.failed(error))
      report?.(`${request.headers["x-amz-target"]}: ${String(error)}`);
    const known =
      error instanceof SqsError ? error : new SqsError("InternalFailure", "Internal error", { cause: error });
    const body = { __type: `com.amazonaws.sqs#${known.code}`, message: known.message };
    const fault = known.status < 500 ? "Sender" : "Receiver";
    answer(response, known.status, requestId, body, { "x-amzn-query-error": `${known.queryCode};${fault}` });
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const blocks: Buffer[] = [];
  let size = 0;
  for await (const block of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += block.length;
    if (size > MAX_REQUEST)
      throw new SqsError("InvalidParameterValue", `The request is longer than ${MAX_REQUEST} bytes.`);
    blocks.push(block);
  }
  const text = Buffer.concat(blocks).toString();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch (error) {
    throw new SqsError("InvalidParameterValue", "The request is not JSON.", { cause: error });
  }
}

function answer(
  response: ServerResponse,
  status: number,
  requestId: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  const common = { "content-type": "application/x-amz-json-1.0", "content-length": Buffer.byteLength(text) };
  response.writeHead(status, { ...common, "x-amzn-RequestId": requestId, ...headers }).end(text);
}
