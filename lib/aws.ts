import http from "node:http";
import https from "node:https";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { CommonConfig, Env } from "./config.ts";

/** Stands in where the embedded stores are meant, which take any. */
export const EMBEDDED_CREDENTIALS = { accessKeyId: "embedded", secretAccessKey: "embedded" };

type Credentials = typeof EMBEDDED_CREDENTIALS;

type AwsConfig = Pick<CommonConfig, "AWS_REGION" | "AWS_ENDPOINT_URL_S3" | "AWS_ENDPOINT_URL_SQS">;

/** Connections kept alive, through the proxy that the usual variables name. */
function requestHandler(proxyEnv: Env) {
  const options = { keepAlive: true, maxSockets: 64, proxyEnv };
  return {
    httpAgent: new http.Agent(options),
    httpsAgent: new https.Agent(options),
    connectionTimeout: 10_000,
    requestTimeout: 120_000,
  };
}

/** Path style where an endpoint is given: MinIO and the like have no names for buckets. */
export function s3Client(config: AwsConfig, proxyEnv: Env, credentials?: Credentials): S3Client {
  const { AWS_REGION: region, AWS_ENDPOINT_URL_S3: endpoint } = config;
  return new S3Client({
    region,
    requestHandler: requestHandler(proxyEnv),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
  });
}

export function sqsClient(config: AwsConfig, proxyEnv: Env, credentials?: Credentials): SQSClient {
  const { AWS_REGION: region, AWS_ENDPOINT_URL_SQS: endpoint } = config;
  return new SQSClient({
    region,
    requestHandler: requestHandler(proxyEnv),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  });
}
