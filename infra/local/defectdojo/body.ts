import type { IncomingMessage } from "node:http";
import { readBytes } from "../../../lib/util/read-bytes.ts";
import { detail, malformedJson, Refusal } from "./http.ts";
import { type MultipartForm, readMultipart } from "./multipart.ts";
import type { State } from "./state.ts";

export type Body = { body: unknown; form: MultipartForm | undefined };

const MAX_JSON = 8 * 1024 * 1024;

/** The body of a request: JSON or a form; `formOnly` paths accept only a form. */
export async function readBody(state: State, request: IncomingMessage, formOnly: boolean): Promise<Body> {
  if (Number(request.headers["content-length"] ?? 0) > state.settings.maxUploadBytes) {
    throw new Refusal({
      status: 413,
      headers: { "content-type": "text/html" },
      body: "<html><head><title>413 Request Entity Too Large</title></head></html>",
    });
  }
  const type = request.headers["content-type"] ?? "";
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (boundary !== undefined) {
    const form = await readMultipart(request, boundary);
    return { form, body: Object.fromEntries([...form.fields].map(([name, values]) => [name, values.at(-1)])) };
  }
  const bytes = await readAll(request);
  if (type === "" && bytes.length === 0) return { body: {}, form: undefined };
  const isJson = /^application\/json\b/i.test(type);
  if (formOnly || !(isJson || /^application\/x-www-form-urlencoded\b/i.test(type))) {
    throw detail(415, `Unsupported media type "${type}" in request.`);
  }
  if (!isJson) return { body: Object.fromEntries(new URLSearchParams(bytes.toString("utf8"))), form: undefined };
  if (bytes.length === 0) return { body: {}, form: undefined };
  try {
    return { body: JSON.parse(bytes.toString("utf8")), form: undefined };
  } catch {
    throw malformedJson();
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  return await readBytes(request, MAX_JSON, () => new Refusal({ status: 413, body: "" }));
}
