import { open } from "node:fs/promises";
import { CommandError } from "../command-error.ts";

/** A report on this machine. */
export interface ReportFile {
  readonly path: string;
  /** Its first bytes as text, cut at any point; of UTF-16 too, as PowerShell writes it. */
  readonly start: string;
  /** Bytes. */
  readonly size: number;
}

/** Tools identify themselves at the beginning, or in each of their findings. */
const FIRST_BYTES = 256 * 1024;

/** How compressed files begin, in hexadecimal. A zip is none of them: some of DefectDojo's parsers read that. */
const COMPRESSED = [
  ["1f8b", "gzip"],
  ["28b52ffd", "zstd"],
  ["425a68", "bzip2"],
  ["fd377a585a", "xz"],
] as const;

/** @throws CommandError if it cannot be read, or is compressed */
export async function openReport(path: string): Promise<ReportFile> {
  const { head, size } = await beginning(path);
  const hex = head.toString("hex", 0, 8);
  const [, packed] = COMPRESSED.find(([its]) => hex.startsWith(its)) ?? [];
  if (packed !== undefined) {
    throw new CommandError(`${path} is compressed with ${packed}`, "Unpack it first: DefectDojo's parsers do not.");
  }
  return { path, start: decoded(head), size };
}

async function beginning(path: string): Promise<{ head: Buffer; size: number }> {
  try {
    const file = await open(path);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error("it is not a file");
      const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0);
      return { head: buffer.subarray(0, bytesRead), size: stats.size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new CommandError(`${path} cannot be read`, "Name the scanner's report with --report FILE.", error);
  }
}

/** Byte order marks of the encodings that JSON and XML parsers detect. */
const ENCODINGS = [
  ["fffe", "utf-16le"],
  ["feff", "utf-16be"],
] as const;

function decoded(bytes: Buffer): string {
  const mark = bytes.toString("hex", 0, 2);
  const [, encoding = "utf-8"] = ENCODINGS.find(([its]) => its === mark) ?? [];
  return new TextDecoder(encoding).decode(bytes);
}
