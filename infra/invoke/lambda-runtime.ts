import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import type { Context, Handler } from "aws-lambda";

/** The outcome of an invocation; `failed` is Lambda's error object, `atInit` means that the function failed to start. */
export type Answer = { readonly result: unknown } | { readonly failed: unknown; readonly atInit?: boolean };

export interface Invocation {
  readonly event: unknown;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  readonly requestId?: string;
}

/** Loads the bundle's handler as Lambda does. */
export async function loadHandler(path: string): Promise<Handler> {
  const { handler } = (await import(pathToFileURL(path).href)) as { handler: Handler };
  return handler;
}

/** Calls the handler with a context like Lambda's. */
export async function callHandler(handler: Handler, { event, deadline, requestId }: Invocation): Promise<Answer> {
  const { AWS_LAMBDA_FUNCTION_NAME: name = "local", AWS_LAMBDA_FUNCTION_MEMORY_SIZE: memory = "1024" } = process.env;
  const nothing = () => undefined;
  const context: Context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: name,
    functionVersion: "$LATEST",
    invokedFunctionArn: `arn:aws:lambda:${process.env.AWS_REGION}:000000000000:function:${name}`,
    memoryLimitInMB: memory,
    awsRequestId: requestId ?? randomUUID(),
    logGroupName: `/aws/lambda/${name}`,
    logStreamName: "local",
    getRemainingTimeInMillis: () => deadline - Date.now(),
    done: nothing,
    fail: nothing,
    succeed: nothing,
  };
  try {
    return { result: await handler(event, context, nothing) };
  } catch (error) {
    return { failed: toLambdaError(error) };
  }
}

/** An error in the format of Lambda's Node.js runtime. */
export function toLambdaError(error: unknown) {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: error.stack?.split("\n") ?? [] };
}
