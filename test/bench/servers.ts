import { ensureBucket, ensureQueues } from "../../cli/resources.ts";
import type { StandinOptions, Timing } from "../../infra/local/defectdojo/options.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import type { DefectDojoMethods } from "./defectdojo-child.ts";
import type { Dojo } from "./floor.ts";
import { startChild } from "./rpc.ts";
import type { StoresMethods } from "./stores-child.ts";

/** What a run needs around the importer, each in a process of its own. */
export interface Servers {
  readonly dojo: Dojo;
  readonly bucket: string;
  readonly queueUrl: string;
  readonly s3: ReturnType<typeof s3Client>;
  readonly sqs: ReturnType<typeof sqsClient>;
  /** What the importer is configured with to reach them. */
  readonly env: Readonly<Record<string, string>>;
  /** Sets the stand-in's pace; a real DefectDojo has its own. */
  pace(factor: number): Promise<void>;
  /** How many requests the stand-in was sent. */
  requests(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * What DefectDojo 3.2 took where it was measured: 11 ms a finding imported, 6.6 ms more for a duplicate, 5 ms a finding read, 18 ms a request, two at a time.
 */
const MEASURED: Timing = {
  importMsPerFinding: 11,
  duplicateMsPerFinding: 6.6,
  readMsPerFinding: 5,
  fixedMs: 18,
  workers: 2,
};

/** The measured pace times a factor; two at a time at any pace. */
export function paceOf(factor: number): Timing {
  const { importMsPerFinding, duplicateMsPerFinding, readMsPerFinding, fixedMs, workers } = MEASURED;
  return {
    importMsPerFinding: importMsPerFinding * factor,
    duplicateMsPerFinding: duplicateMsPerFinding * factor,
    readMsPerFinding: readMsPerFinding * factor,
    fixedMs: fixedMs * factor,
    workers,
  };
}

const BUCKET = "bench";

/** @param real a DefectDojo to be measured in place of the stand-in */
export async function startServers(options: StandinOptions = {}, real?: Dojo): Promise<Servers> {
  const stores = await startChild<StoresMethods>("stores-child.ts");
  const standin = real === undefined ? await startChild<DefectDojoMethods>("defectdojo-child.ts") : undefined;
  const dojo = real ?? (await standin?.call.start({ timing: MEASURED, ...options }));
  if (dojo === undefined) throw new Error("there is no DefectDojo");
  const endpoints = await stores.call.endpoints();
  const aws = { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: endpoints.s3, AWS_ENDPOINT_URL_SQS: endpoints.sqs };
  const [s3, sqs] = [s3Client(aws, {}), sqsClient(aws, {})];
  await ensureBucket(s3, BUCKET);
  const { queueUrl, dlqUrl } = await ensureQueues(sqs, 3_600);
  return {
    dojo,
    bucket: BUCKET,
    queueUrl,
    s3,
    sqs,
    env: {
      ...aws,
      QUEUE_URL: queueUrl,
      DLQ_URL: dlqUrl,
      DEFECTDOJO_URL: dojo.url,
      DEFECTDOJO_APIKEY: dojo.apiKey,
      LOG_LEVEL: "warn",
    },
    pace: async (factor) => {
      await standin?.call.pace(paceOf(factor));
    },
    requests: async () => (await standin?.call.requests())?.length ?? 0,
    stop: async () => {
      s3.destroy();
      sqs.destroy();
      await standin?.stop();
      await stores.call.close();
      await stores.stop();
    },
  };
}
