import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decodeAwsChunked } from "../../infra/local/s3/aws-chunked.ts";
import { combineCrc, crc32c, crc64nvme } from "../../infra/local/s3/crc.ts";
import { S3Error } from "../../infra/local/s3/errors.ts";
import { element, parseXml, XmlError, xmlDocument } from "../../infra/local/s3/xml.ts";
import { fc } from "../helpers/property.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

/** The bytes in blocks split anywhere, as from a socket. */
async function* cut(whole: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const size of sizes) {
    if (position >= whole.length) return;
    yield whole.subarray(position, position + size);
    position += size;
  }
  if (position < whole.length) yield whole.subarray(position);
}

async function decode(source: AsyncIterable<Uint8Array>, trailers = new Map<string, string>()): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  for await (const block of decodeAwsChunked(source, trailers)) blocks.push(block);
  return Buffer.concat(blocks);
}

describe("aws-chunked", () => {
  const blockSizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 });

  test("gives back what was encoded, wherever the blocks are cut", async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(chunks, blockSizes, fc.boolean(), async (parts, sizes, signed) => {
        const extension = signed ? `;chunk-signature=${"a".repeat(64)}` : "";
        const encoded = parts.flatMap((part) => [
          Buffer.from(`${part.length.toString(16)}${extension}\r\n`),
          part,
          Buffer.from("\r\n"),
        ]);
        const end = Buffer.from(`0${extension}\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n`);
        const trailers = new Map<string, string>();
        const decoded = await decode(cut(Buffer.concat([...encoded, end]), sizes), trailers);
        expect(decoded.equals(Buffer.concat(parts))).toBe(true);
        expect([...trailers]).toEqual([["x-amz-checksum-crc32", "AAAAAA=="]]);
      }),
    );
  });

  test("refuses nonsense with an error of S3, never otherwise", async () => {
    const line = fc.constantFrom(
      "0\r\n",
      "5\r\n",
      "a;x=y\r\n",
      "\r\n",
      "\n",
      "hello",
      "x:y\r\n",
      "ffffffffffff\r\n",
      "-1\r\n",
    );
    const nonsense = fc.oneof(
      bytes,
      fc.array(line).map((lines) => Buffer.from(lines.join(""))),
    );
    await fc.assert(
      fc.asyncProperty(nonsense, blockSizes, async (input, sizes) => {
        try {
          expect((await decode(cut(input, sizes))).length).toBeLessThanOrEqual(input.length);
        } catch (error) {
          expect(error).toBeInstanceOf(S3Error);
        }
      }),
    );
  });
});

describe("CRCs", () => {
  const big = (value: number) => BigInt(value);
  const algorithms = {
    CRC32: (input: Uint8Array, start = 0n) => big(crc32(input, Number(start))),
    CRC32C: (input: Uint8Array, start = 0n) => big(crc32c(input, Number(start))),
    CRC64NVME: (input: Uint8Array, start = 0n) => crc64nvme(input, start),
  };

  test.for(Object.entries(algorithms))("%s of two halves is that of the whole", ([name, crc]) => {
    fc.assert(
      fc.property(bytes, bytes, (first, second) => {
        const whole = crc(Buffer.concat([first, second]));
        expect(crc(second, crc(first))).toBe(whole);
        expect(combineCrc(name as keyof typeof algorithms, crc(first), crc(second), second.length)).toBe(whole);
      }),
    );
  });
});

describe("XML", () => {
  test("gives back any text that was escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const root = parseXml(xmlDocument(element("Root", [element("Text", text)])));
        expect(root.children.map((child) => child.text)).toEqual([text]);
      }),
    );
  });

  test("refuses nonsense with its own error, never otherwise", () => {
    const piece = fc.constantFrom(
      "<a>",
      "</a>",
      "<a/>",
      "<b x='1'>",
      "</b>",
      "&amp;",
      "&#x41;",
      "&#xffffff;",
      "&no;",
      "&",
      "]]>",
      "<![CDATA[x]]>",
      "<!--",
      "-->",
      "<?x?>",
      "<",
      ">",
      " ",
    );
    const nonsense = fc.oneof(
      fc.string(),
      fc.array(piece).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(nonsense, (source) => {
        try {
          expect(parseXml(source).name).toMatch(/^[a-z]/i);
        } catch (error) {
          expect(error).toBeInstanceOf(XmlError);
        }
      }),
    );
  });
});
