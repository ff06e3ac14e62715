import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readMultipart } from "../../../infra/local/defectdojo/multipart.ts";
import { fc } from "../../helpers/property.ts";

function chunked(data: Buffer, size: number): IncomingMessage {
  const chunks: Buffer[] = [];
  for (let at = 0; at < data.length; at += size) chunks.push(data.subarray(at, at + size));
  return Readable.from(chunks) as unknown as IncomingMessage;
}

async function encoded(form: FormData): Promise<{ data: Buffer; boundary: string }> {
  const response = new Response(form);
  const boundary = response.headers.get("content-type")?.split("boundary=")[1] ?? "";
  return { data: Buffer.from(await response.arrayBuffer()), boundary };
}

describe("readMultipart", () => {
  it("reads fields and files, however the body is cut", async () => {
    const anything = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(
        anything,
        fc.string({ unit: "binary" }),
        fc.integer({ min: 1, max: 90 }),
        async (bytes, text, size) => {
          const form = new FormData();
          form.append("text", text);
          form.append("text", "second");
          form.append("file", new Blob([new Uint8Array(bytes)]), "report.json");
          const { data, boundary } = await encoded(form);
          const read = await readMultipart(chunked(data, size), boundary);
          expect(read.fields.get("text")).toEqual([
            new TextDecoder().decode(new TextEncoder().encode(text.replaceAll(/\r\n|\r|\n/g, "\r\n"))),
            "second",
          ]);
          const file = read.files.get("file");
          expect([file?.name, file?.bytes]).toEqual(["report.json", bytes.length]);
          expect(new Uint8Array(readFileSync(file?.path ?? ""))).toEqual(new Uint8Array(bytes));
          await read.discard();
        },
      ),
      { numRuns: 60 },
    );
  });
});
