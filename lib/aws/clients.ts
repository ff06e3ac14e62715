import http from "node:http";
import https from "node:https";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { CommonConfig, Env } from "../config.ts";

/** What the embedded stores take, as they take anything. */
const ANY_CREDENTIALS = { accessKeyId: "embedded", secretAccessKey: "embedded" };

type AwsConfig = Pick<CommonConfig, "AWS_REGION" | "AWS_ENDPOINT_URL_S3" | "AWS_ENDPOINT_URL_SQS">;

/** Connections kept alive, through the proxy that the usual variables name. */
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

/** Path style where an endpoint is given: MinIO and the like have no names for buckets. */
export function s3Client(config: AwsConfig, env: Env): S3Client {
  const { AWS_REGION: region, AWS_ENDPOINT_URL_S3: endpoint } = config;
  return new S3Client({
    region,
    requestHandler: requestHandler(env),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...localCredentials(endpoint, env),
  });
}

export function sqsClient(config: AwsConfig, env: Env): SQSClient {
  const { AWS_REGION: region, AWS_ENDPOINT_URL_SQS: endpoint } = config;
  return new SQSClient({
    region,
    requestHandler: requestHandler(env),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...localCredentials(endpoint, env),
  });
}

/** An endpoint on this machine needs none to be set up; the usual ways to credentials are left alone everywhere else. */
function localCredentials(endpoint: string | undefined, env: Env) {
  const local = endpoint !== undefined && ["127.0.0.1", "localhost", "[::1]"].includes(new URL(endpoint).hostname);
  return local && !env["AWS_ACCESS_KEY_ID"] && !env["AWS_PROFILE"] ? { credentials: ANY_CREDENTIALS } : {};
}
