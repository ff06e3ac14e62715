import { open } from "node:fs/promises";
import { CommandError } from "../command-error.ts";

/** A report on this machine. */
export interface ReportFile {
  readonly path: string;
  /** Its first bytes as text, cut at any point. */
  readonly start: string;
  /** Bytes. */
  readonly size: number;
}

/** Tools identify themselves at the beginning, or in each of their findings. */
const FIRST_BYTES = 256 * 1024;

/** @throws CommandError if it cannot be read */
export async function openReport(path: string): Promise<ReportFile> {
  try {
    const file = await open(path);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error("it is not a file");
      const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0);
      return { path, start: buffer.toString("utf8", 0, bytesRead), size: stats.size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new CommandError(`${path} cannot be read`, "Name the scanner's report with --report FILE.", error);
  }
}
