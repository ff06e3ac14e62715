import http from "node:http";
import https from "node:https";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { CommonConfig, Env } from "../config.ts";
import { isLoopback } from "../util/loopback.ts";
import { endOfWork } from "../util/until.ts";

/** Accepted by the embedded stores, which accept any. */
const ANY_CREDENTIALS = { accessKeyId: "embedded", secretAccessKey: "embedded" };

type AwsConfig = Pick<CommonConfig, "AWS_REGION" | "AWS_ENDPOINT_URL_S3" | "AWS_ENDPOINT_URL_SQS">;

/** Keeps connections alive and uses the proxy of the usual variables. */
function requestHandler(proxyEnv: Env) {
  const options = { keepAlive: true, maxSockets: 64, proxyEnv };
  return {
    httpAgent: new http.Agent(options),
    httpsAgent: new https.Agent(options),
    connectionTimeout: 10_000,
    requestTimeout: 120_000,
    throwOnRequestTimeout: true,
    socketTimeout: 60_000,
  };
}

/** Path style when an endpoint is given: MinIO and the like have no host names for buckets. */
export function s3Client(config: AwsConfig, env: Env): S3Client {
  const { AWS_REGION: region, AWS_ENDPOINT_URL_S3: endpoint } = config;
  return endingWithWork(
    new S3Client({
      region,
      requestHandler: requestHandler(env),
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...localCredentials(endpoint, env),
    }),
  );
}

export function sqsClient(config: AwsConfig, env: Env): SQSClient {
  const { AWS_REGION: region, AWS_ENDPOINT_URL_SQS: endpoint } = config;
  return endingWithWork(
    new SQSClient({
      region,
      requestHandler: requestHandler(env),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...localCredentials(endpoint, env),
    }),
  );
}

type Send = (args: unknown) => Promise<unknown>;
/** The part of the SDK's middleware stack that both clients share. */
interface Stack {
  add(middleware: (next: Send) => Send, options: { step: string; priority: string; name: string }): void;
}

/** Stops requests and retries once the work's time is over. */
function endingWithWork<T extends S3Client | SQSClient>(client: T): T {
  const stack = client.middlewareStack as unknown as Stack;
  stack.add(
    (next) => async (args) => {
      endOfWork();
      return await next(args);
    },
    { step: "finalizeRequest", priority: "low", name: "endingWithWork" },
  );
  return client;
}

/** An endpoint on this machine needs no credentials; elsewhere the SDK's usual chain applies. */
function localCredentials(endpoint: string | undefined, env: Env) {
  const local = endpoint !== undefined && isLoopback(new URL(endpoint).hostname);
  return local && !env["AWS_ACCESS_KEY_ID"] && !env["AWS_PROFILE"] ? { credentials: ANY_CREDENTIALS } : {};
}
