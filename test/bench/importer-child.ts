import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";
import type { Context, SQSEvent } from "aws-lambda";
import { offer } from "./rpc.ts";

/** The importer function as Lambda runs it, in a process of its own; its requests to DefectDojo are counted. */
const host = new URL(process.env["DEFECTDOJO_URL"] ?? "http://defectdojo.invalid").host;
let [requests, longestUrl] = [0, 0];
subscribe("http.client.request.start", (message) => {
  const { request } = message as { request: ClientRequest };
  if (request.getHeader("host") !== host) return;
  requests++;
  longestUrl = Math.max(longestUrl, request.path.length);
});

const started = performance.now();
const { handler } = await import("../../functions/importer.ts");
const initMs = performance.now() - started;

const methods = {
  handle: async ({ event, timeoutMs }: { event: SQSEvent; timeoutMs: number }) => {
    [requests, longestUrl] = [0, 0];
    const begun = performance.now();
    const end = Date.now() + timeoutMs;
    const context = { awsRequestId: "bench", getRemainingTimeInMillis: () => end - Date.now() };
    const { batchItemFailures } = await handler(event, context as unknown as Context);
    return {
      failures: batchItemFailures.length,
      wallMs: performance.now() - begun,
      requests,
      longestUrl,
      initMs,
      /** Of the whole life of the process. */
      peakRssMiB: process.resourceUsage().maxRSS / 1024,
    };
  },
};
export type ImporterMethods = typeof methods;

offer(methods);
