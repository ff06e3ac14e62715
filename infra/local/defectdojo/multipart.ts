import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";

export type UploadedFile = { name: string; path: string; bytes: number };

export type MultipartForm = {
  /** Repeated fields keep all their values. */
  fields: Map<string, string[]>;
  files: Map<string, UploadedFile>;
  discard: () => Promise<void>;
};

type Part = { name: string; file: UploadedFile | undefined; sink: WriteStream | undefined; text: Buffer[] };

const BLANK_LINE = Buffer.from("\r\n\r\n");

/** Parses a form as a stream; files go to disk, so that a report of any size needs little memory. */
export async function readMultipart(request: IncomingMessage, boundary: string): Promise<MultipartForm> {
  const folder = await mkdtemp(path.join(tmpdir(), "standin-upload-"));
  const form: MultipartForm = {
    fields: new Map(),
    files: new Map(),
    discard: () => rm(folder, { recursive: true, force: true }),
  };
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter lacks the line break that precedes all others; adding one makes them equal.
  let rest: Buffer = Buffer.from("\r\n");
  let part: Part | undefined;
  try {
    for await (const chunk of request) {
      rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
      for (;;) {
        if (part === undefined) {
          const started = startPart(rest, delimiter, folder, form.files.size);
          if (started === undefined) break;
          part = started.part;
          rest = started.rest;
        }
        const end = rest.indexOf(delimiter);
        await write(
          part,
          end < 0 ? rest.subarray(0, Math.max(0, rest.length - delimiter.length)) : rest.subarray(0, end),
        );
        rest = end < 0 ? rest.subarray(Math.max(0, rest.length - delimiter.length)) : rest.subarray(end);
        if (end < 0) break;
        await finish(part, form);
        part = undefined;
      }
    }
  } catch (error) {
    part?.sink?.destroy();
    await form.discard();
    throw error;
  }
  return form;
}

/** Skips to the next delimiter and reads the headers after it, once they have arrived. */
function startPart(data: Buffer, delimiter: Buffer, folder: string, count: number) {
  const at = data.indexOf(delimiter);
  if (at < 0) return undefined;
  const headersEnd = data.indexOf(BLANK_LINE, at);
  if (headersEnd < 0) return undefined;
  const headers = data.subarray(at + delimiter.length, headersEnd).toString("utf8");
  const name = /[; ]name="([^"]*)"/i.exec(headers)?.[1] ?? "";
  const filename = /[; ]filename="((?:[^"\\]|\\.)*)"/i.exec(headers)?.[1];
  const rest = data.subarray(headersEnd + BLANK_LINE.length);
  if (filename === undefined)
    return { part: { name, file: undefined, sink: undefined, text: [] } satisfies Part, rest };
  const file = {
    name: path.basename(filename.replaceAll('\\"', '"')),
    path: path.join(folder, String(count)),
    bytes: 0,
  };
  return { part: { name, file, sink: createWriteStream(file.path), text: [] } satisfies Part, rest };
}

async function write(part: Part, data: Buffer): Promise<void> {
  if (data.length === 0) return;
  if (part.file === undefined || part.sink === undefined) {
    part.text.push(Buffer.from(data));
    return;
  }
  part.file.bytes += data.length;
  if (!part.sink.write(data)) await once(part.sink, "drain");
}

async function finish(part: Part, form: MultipartForm): Promise<void> {
  if (part.file !== undefined && part.sink !== undefined) {
    part.sink.end();
    await once(part.sink, "close");
    form.files.set(part.name, part.file);
    return;
  }
  const value = Buffer.concat(part.text).toString("utf8");
  form.fields.set(part.name, [...(form.fields.get(part.name) ?? []), value]);
}
