import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Credentials for the embedded servers, which accept any. */
export const ANY_CREDENTIALS: Credentials = { accessKeyId: "any", secretAccessKey: "any" };

export function s3Client(endpoint: string, credentials: Credentials = ANY_CREDENTIALS): S3Client {
  return new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials, maxAttempts: 1 });
}

export function sqsClient(endpoint: string, credentials: Credentials = ANY_CREDENTIALS): SQSClient {
  return new SQSClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
}

export interface AwsError extends Error {
  readonly $metadata: { readonly httpStatusCode?: number };
}

/** The error with which a request must fail. */
export async function errorOf(request: Promise<unknown>): Promise<AwsError> {
  try {
    await request;
  } catch (error) {
    if (error instanceof Error && "$metadata" in error) return error as AwsError;
    throw error;
  }
  throw new Error("The request succeeded, but must be refused");
}

/** The status of the error with which a request must fail. */
export async function statusOf(request: Promise<unknown>): Promise<number | undefined> {
  return (await errorOf(request)).$metadata.httpStatusCode;
}

/** The number of racing requests that succeeded, and the statuses of the others. */
export async function race(requests: readonly Promise<unknown>[]): Promise<{ winners: number[]; refusals: number[] }> {
  const winners: number[] = [];
  const refusals: number[] = [];
  for (const [index, result] of (await Promise.allSettled(requests)).entries()) {
    if (result.status === "fulfilled") winners.push(index);
    else refusals.push((result.reason as AwsError).$metadata?.httpStatusCode ?? 0);
  }
  return { winners, refusals };
}
