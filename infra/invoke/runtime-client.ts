import http from "node:http";
import { text } from "node:stream/consumers";
import { callHandler, loadHandler, toLambdaError } from "./lambda-runtime.ts";

/**
 * Runs a bundle under the Runtime Interface Emulator: a client of Lambda's runtime API, started by the emulator.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
const API = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;

/** Does not use `fetch`, which would time out: the next invocation may be a long time away. */
async function call(method: "GET" | "POST", path: string, body?: unknown) {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = http.request(`${API}/${path}`, { method }, resolve);
    request.once("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
  return { headers: response.headers, body: await text(response) };
}

async function run(bundle: string): Promise<void> {
  const handler = await loadHandler(bundle).catch(async (error: unknown) => {
    await call("POST", "init/error", toLambdaError(error));
    process.exit(1);
  });
  for (;;) {
    const { headers, body } = await call("GET", "invocation/next");
    const requestId = String(headers["lambda-runtime-aws-request-id"]);
    const deadline = Number(headers["lambda-runtime-deadline-ms"]);
    const answer = await callHandler(handler, { event: JSON.parse(body), deadline, requestId });
    if ("failed" in answer) await call("POST", `invocation/${requestId}/error`, answer.failed);
    else await call("POST", `invocation/${requestId}/response`, answer.result ?? null);
  }
}

await run(process.argv[2] ?? "");
