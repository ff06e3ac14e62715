import { SingleBar } from "cli-progress";
import { printableLine } from "./printable.ts";

export interface ProgressBar {
  advance(what: string): void;
  stop(): void;
}

/** Progress of long work, on stderr: a bar on a terminal, a plain line per step elsewhere. */
export function progressBar(
  done: string,
  total: number | undefined,
  output: NodeJS.WriteStream = process.stderr,
): ProgressBar {
  if (!output.isTTY || total === undefined) {
    let count = 0;
    return {
      advance: (what) => {
        count++;
        output.write(`${done} ${count}${total === undefined ? "" : `/${total}`} ${printableLine(what)}\n`);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({ stream: output, format: `${done} {value}/{total} [{bar}] {what}`, hideCursor: true });
  bar.start(total, 0, { what: "" });
  return { advance: (what) => bar.increment(1, { what: printableLine(what) }), stop: () => bar.stop() };
}

export interface ProgressLine {
  /** Shows the current state; on a terminal it replaces the last one. */
  update(text: () => string): void;
  /** Clears the line for other output. */
  clear(): void;
}

/** Seconds between two lines when not on a terminal. */
const QUIET_MS = 5_000;
/** And for the same line again: a sign of life in a pipeline's log. */
const UNCHANGED_MS = 60_000;
const REDRAW_MS = 100;

/** Progress of work of unknown length, on stderr: one changing line on a terminal, a plain line every few seconds elsewhere. */
export function progressLine(output: NodeJS.WriteStream = process.stderr): ProgressLine {
  let last = performance.now();
  let shown = "";
  const pause = output.isTTY ? REDRAW_MS : QUIET_MS;
  return {
    update: (text) => {
      const since = performance.now() - last;
      if (since < pause) return;
      const line = printableLine(text());
      if (line === shown && since < UNCHANGED_MS) return;
      last = performance.now();
      shown = line;
      output.write(output.isTTY ? `\r\u001b[2K${line.slice(0, (output.columns || 80) - 1)}` : `${line}\n`);
    },
    clear: () => {
      if (output.isTTY) output.write("\r\u001b[2K");
    },
  };
}
