import type { User } from "./model.ts";
import type { MultipartForm } from "./multipart.ts";
import type { ImportFault } from "./state.ts";

/** One request for the handlers. */
export type Call = {
  method: string;
  /** The path below `/api/v2`, including slashes. */
  path: string;
  /** Ids taken from the path. */
  ids: number[];
  query: URLSearchParams;
  /** The client's scheme and host, for the `next` and `previous` links. */
  origin: string;
  user: User;
  /** JSON, or the fields of a form. */
  body: unknown;
  form: MultipartForm | undefined;
  /** How its import fails, if it should. */
  importFault?: ImportFault;
};

export type Reply = { status: number; body?: unknown; headers?: Record<string, string> };

/** Thrown by a handler to return an error. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(`refused with ${reply.status}: ${JSON.stringify(reply.body)}`);
    this.name = "Refusal";
    this.reply = reply;
  }
}

export type FieldError = { text: string; code: string };

const PRO = ["Pro comes with support. Try today for free or email us at hello@defectdojo.com"];

/** A string as Python prints it within a list or dict: DefectDojo uses such text in `message`. */
export function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll(quote, `\\${quote}`);
  return `${quote}${escaped}${quote}`;
}

export function fieldErrors(errors: Record<string, FieldError[]>): Refusal {
  const described = Object.entries(errors).map(
    ([name, list]) =>
      `${pythonRepr(name)}: [${list.map((e) => `ErrorDetail(string=${pythonRepr(e.text)}, code='${e.code}')`).join(", ")}]`,
  );
  const texts = Object.fromEntries(Object.entries(errors).map(([name, list]) => [name, list.map((e) => e.text)]));
  return new Refusal({ status: 400, body: { ...texts, message: `{${described.join(", ")}}`, pro: PRO } });
}

export function fieldError(name: string, text: string, code: string): Refusal {
  return fieldErrors({ [name]: [{ text, code }] });
}

/** The response to an error that a parser or the importer raises on purpose. */
export function importError(text: string): Refusal {
  return new Refusal({ status: 400, body: { message: `[${pythonRepr(text)}]`, pro: PRO } });
}

export function internalError(): Refusal {
  return new Refusal({ status: 500, body: { message: "Internal server error, check logs for details", pro: PRO } });
}

/** Another request wrote the same unique row first (3.2: `dojo/api_v2/exception_handler.py`). */
export function conflict(): Refusal {
  const message =
    "The request conflicts with an existing record because a unique field value already exists. Retrieve or update the existing record instead of creating a new one.";
  return new Refusal({ status: 409, body: { message, pro: PRO } });
}

export function detail(status: number, text: string): Refusal {
  return new Refusal({ status, body: { detail: text } });
}

export function forbidden(): Refusal {
  return detail(403, "You do not have permission to perform this action.");
}

export function notFound(model: string): Refusal {
  return detail(404, `No ${model} matches the given query.`);
}

/** An id in the path that is not a number. */
export function notAnId(): Refusal {
  return new Refusal({ status: 404, body: { detail: "Not found.", message: "", pro: PRO } });
}

export function listError(text: string): Refusal {
  return new Refusal({ status: 400, body: [text] });
}

export function malformedJson(): Refusal {
  return new Refusal({ status: 400, body: { message: "JSON request content is malformed" } });
}

export const HTML_NOT_FOUND: Reply = {
  status: 404,
  headers: { "content-type": "text/html; charset=utf-8" },
  body: '\n\n<!DOCTYPE html>\n<html lang="en"><head><title>DefectDojo</title></head><body>404: Not found</body></html>\n',
};
