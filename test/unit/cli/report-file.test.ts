import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReport } from "../../../cli/report/report-file.ts";
import { guessKinds } from "../../../cli/report/report-kinds.ts";
import { reportShape } from "../../../cli/report/report-shape.ts";

const SARIF = '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}';

describe("a report's file", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-report-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const write = async (bytes: Uint8Array) => {
    const path = join(folder, "r.sarif");
    await writeFile(path, bytes);
    return path;
  };

  it.each([
    ["UTF-8", Buffer.from(SARIF)],
    ["UTF-8 with a byte order mark", Buffer.from(`\ufeff${SARIF}`)],
    ["UTF-16, as PowerShell writes it", Buffer.from(`\ufeff${SARIF}`, "utf16le")],
    ["UTF-16, big-endian", Buffer.from(`\ufeff${SARIF}`, "utf16le").swap16()],
  ])("is read in %s", async (_, bytes) => {
    const { start, size } = await openReport(await write(bytes));
    expect(guessKinds(reportShape(start)).map(({ tool }) => tool)).toEqual(["sarif"]);
    expect(size).toBe(bytes.length);
  });

  it.each([
    ["gzip", gzipSync(SARIF)],
    ["zstd", zstdCompressSync(SARIF)],
    ["bzip2", Buffer.from("BZh91AY&SY")],
  ])("is refused where it is compressed with %s", async (how, bytes) => {
    await expect(openReport(await write(bytes))).rejects.toThrow(`is compressed with ${how}`);
  });

  it("is an error that names it where it cannot be read", async () => {
    await expect(openReport(folder)).rejects.toThrow(`${folder} cannot be read`);
  });
});
