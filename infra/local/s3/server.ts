import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { privateDirectory } from "../data-directory.ts";
import { type DiskHealth, diskHealth } from "../disk-health.ts";
import { type EmbeddedStore, listenOnLoopback } from "../http-listener.ts";
import { openDatabase } from "../sqlite.ts";
import { openBodies } from "./bodies.ts";
import { cleanBodies } from "./clean-bodies.ts";
import type { S3Context, S3Response } from "./context.ts";
import { renderError, S3Error } from "./errors.ts";
import { createEventQueue, type EventTarget } from "./event-queue.ts";
import { parseRequest } from "./request.ts";
import { route } from "./routes.ts";
import { liveBodies, objectStore, S3_SCHEMA } from "./store.ts";
import { deleteStaleUploads } from "./uploads.ts";

export interface EmbeddedS3Options {
  /** Loopback only, since signatures are accepted without verification. @default "127.0.0.1" */
  readonly host?: string;
  /** @default 0, a free port */
  readonly port?: number;
  /** Directory of the database and the bodies, for one process at a time. */
  readonly dataDir: string;
  /** The webhooks that bucket notifications may reference, as `arn:minio:sqs::<name>:webhook`. */
  readonly targets?: Readonly<Record<string, EventTarget>>;
  /** Milliseconds before a failed delivery is retried. @default 3000 */
  readonly retryMs?: number;
  /** Called with failed deliveries and internal errors. */
  readonly report?: (message: string) => void;
}

/**
 * The part of S3 that dojo-relay and secureCodeBox need, on node:sqlite and files. See docs/adr/0001.
 * @throws DataDirectoryError
 */
export async function startEmbeddedS3(options: EmbeddedS3Options): Promise<EmbeddedStore> {
  const { host = "127.0.0.1", port = 0, dataDir, targets = {}, retryMs, report } = options;
  const bodies = join(dataDir, "bodies");
  for (const directory of [dataDir, bodies]) await privateDirectory(directory);
  const { database, fresh } = openDatabase(join(dataDir, "s3.sqlite"), S3_SCHEMA);
  try {
    const live = liveBodies(database);
    cleanBodies(bodies, (id) => live.has(id), fresh);
    deleteStaleUploads(database);
    const disk = diskHealth(dataDir, report);
    let endpoint = "";
    const context: S3Context = {
      database,
      objects: objectStore(database),
      bodies: openBodies(bodies),
      events: createEventQueue({
        database,
        targets,
        disk,
        ...(retryMs !== undefined && { retryMs }),
        ...(report && { report }),
      }),
      endpoint: () => endpoint,
    };
    const listener = await listenOnLoopback(host, port, (request, response) =>
      serve(context, request, response, { disk, report }),
    );
    endpoint = listener.url;
    context.events.wake();
    return {
      url: listener.url,
      port: listener.port,
      problem: disk.problem,
      async close() {
        await listener.close();
        await context.events.close();
        database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The log message of an internal error. */
interface FaultObserver {
  readonly disk: DiskHealth;
  readonly report: EmbeddedS3Options["report"];
}

async function serve(
  context: S3Context,
  message: IncomingMessage,
  response: ServerResponse,
  observer: FaultObserver,
): Promise<void> {
  const requestId = randomBytes(8).toString("hex").toUpperCase();
  let answer: S3Response;
  try {
    const request = parseRequest(message);
    answer = await route(request)(context, request);
  } catch (error) {
    if (message.destroyed && !message.complete) return;
    answer = errorResponse(error, message, requestId, observer);
  }
  try {
    await send(response, answer, requestId, message.method === "HEAD");
  } catch (error) {
    // The client disconnected or the body is unreadable: the response has begun and can only be truncated.
    if (!response.destroyed) observer.report?.(`${message.method} ${message.url}: ${String(error)}`);
    response.destroy();
  } finally {
    await answer.finished?.();
  }
}

function errorResponse(
  error: unknown,
  message: IncomingMessage,
  requestId: string,
  { disk, report }: FaultObserver,
): S3Response {
  if (!(error instanceof S3Error) && !disk.failed(error))
    report?.(`${message.method} ${message.url}: ${String(error)}`);
  const known = error instanceof S3Error ? error : new S3Error("InternalError", undefined, { cause: error });
  const resource = (message.url ?? "").split("?")[0] ?? "";
  const headers = { "content-type": "application/xml", ...known.headers };
  if (known.status === 304) return { status: 304, headers: known.headers };
  return { status: known.status, headers, body: renderError(known, resource, requestId) };
}

async function send(response: ServerResponse, answer: S3Response, requestId: string, isHead: boolean): Promise<void> {
  const { status, headers, body } = answer;
  const common = { "x-amz-request-id": requestId, server: "dojo-relay", ...lengthOf(status, body) };
  response.writeHead(status, { ...common, ...headers });
  if (body === undefined || isHead) response.end();
  else if (typeof body === "string") response.end(body);
  else await pipeline(body, response);
}

function lengthOf(status: number, body: S3Response["body"]): Record<string, number> {
  if (typeof body === "string") return { "content-length": Buffer.byteLength(body) };
  return body === undefined && status === 200 ? { "content-length": 0 } : {};
}
