import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { type Service, startService } from "../../cli/runtime/service.ts";
import { uploadScan } from "../../cli/scan-folder.ts";
import type { StandinOptions } from "../../infra/local/defectdojo/options.ts";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import type { Log } from "../../lib/observe.ts";
import type { Progress } from "../../lib/progress.ts";

/** Waits of the relay, short enough for tests. */
export const QUICK = {
  POLL_SECONDS: "0.05",
  DEDUPLICATION_QUIET_SECONDS: "0",
  SECOND_LOOK_SECONDS: "0",
  IMPORT_SETTLE_SECONDS: "1",
  IMPORT_STALLED_SECONDS: "1",
  IMPORT_REFUSAL_SECONDS: "0",
  SIDECAR_GRACE_SECONDS: "0",
  FOLLOW_SECONDS: "0",
};

export interface Runtime {
  readonly standin: Standin;
  readonly service: Service;
  readonly progress: readonly Progress[];
  /** Resolves with the first outcome (done or failed) of a job for this key after the first `seen` ones. */
  ended(key: string, seen?: number): Promise<Progress>;
  upload(directory: string, prefix?: string): Promise<string>;
  put(key: string, body: string | Uint8Array): Promise<void>;
  /** The object's bytes, or undefined if it does not exist. */
  get(key: string): Promise<Buffer | undefined>;
  receipt(key: string): Promise<Receipt | undefined>;
  keys(prefix: string): Promise<string[]>;
  /** Receives and deletes all dead letters. */
  takeDeadLetters(): Promise<{ body: string; attributes: Record<string, string | undefined> }[]>;
  /** Stops the service and restarts it with its data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The embedded runtime and a stand-in DefectDojo, in this process and a temporary folder. */
export async function startRuntime(
  env: Record<string, string> = {},
  options: StandinOptions = {},
  { log = SILENT }: { log?: Log } = {},
): Promise<Runtime> {
  const standin = await startStandin(options);
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-e2e-"));
  const progress: Progress[] = [];
  const waiting = new Set<() => void>();
  const start = () =>
    startService(
      {
        ...QUICK,
        PORT: "0",
        DATA_DIR: dataDir,
        DEFECTDOJO_URL: standin.url,
        DEFECTDOJO_APIKEY: standin.apiKey,
        ...env,
      },
      log,
      (event) => {
        progress.push(event);
        for (const wake of waiting) wake();
      },
    );
  let service = await start();
  const get = async (key: string) => {
    try {
      const { Body } = await service.clients.s3.send(new GetObjectCommand({ Bucket: service.bucket, Key: key }));
      return Body === undefined ? undefined : Buffer.from(await Body.transformToByteArray());
    } catch (error) {
      if (error instanceof Error && error.name === "NoSuchKey") return undefined;
      throw error;
    }
  };
  return {
    standin,
    get service() {
      return service;
    },
    progress,
    get,
    ended: (key, seen = 0) =>
      new Promise((resolve) => {
        const look = () => {
          const ends = progress.filter(
            (event) => event.job.key === key && (event.state === "done" || event.state === "failed"),
          );
          const end = ends[seen];
          if (end === undefined) return;
          waiting.delete(look);
          resolve(end);
        };
        waiting.add(look);
        look();
      }),
    upload: async (directory, prefix = "") =>
      (
        await uploadScan(service.clients.s3, directory, {
          bucket: service.bucket,
          prefix,
          findingsName: "findings.json",
        })
      ).findingsKey,
    put: async (key, body) => {
      await service.clients.s3.send(new PutObjectCommand({ Bucket: service.bucket, Key: key, Body: body }));
    },
    receipt: async (key) => {
      const bytes = await get(`${key.slice(0, key.lastIndexOf("/") + 1)}defectdojo.json`);
      return bytes === undefined ? undefined : (JSON.parse(bytes.toString("utf8")) as Receipt);
    },
    keys: async (prefix) => {
      const { Contents = [] } = await service.clients.s3.send(
        new ListObjectsV2Command({ Bucket: service.bucket, Prefix: prefix }),
      );
      return Contents.flatMap(({ Key }) => Key ?? []);
    },
    takeDeadLetters: async () => {
      const taken: { body: string; attributes: Record<string, string | undefined> }[] = [];
      for (;;) {
        const { Messages = [] } = await service.clients.sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: service.dlqUrl,
            MaxNumberOfMessages: 10,
            MessageAttributeNames: ["All"],
          }),
        );
        if (Messages.length === 0) return taken;
        for (const { Body = "", ReceiptHandle, MessageAttributes = {} } of Messages) {
          const attributes = Object.fromEntries(
            Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue]),
          );
          taken.push({ body: Body, attributes });
          await service.clients.sqs.send(new DeleteMessageCommand({ QueueUrl: service.dlqUrl, ReceiptHandle }));
        }
      }
    },
    restart: async () => {
      await service.stop();
      service = await start();
    },
    stop: async () => {
      await service.stop();
      await standin.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
