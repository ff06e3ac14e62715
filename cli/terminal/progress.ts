import { SingleBar } from "cli-progress";
import { printableLine } from "./printable.ts";

export interface ProgressBar {
  advance(what: string): void;
  stop(): void;
}

/** How far a long work is, on stderr: a bar on a terminal, a plain line a step elsewhere. */
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
  /** The state now; written over the last one on a terminal. */
  update(text: () => string): void;
  /** Makes room for output of another kind. */
  clear(): void;
}

/** Seconds between two lines where there is no terminal to write over the last one. */
const QUIET_MS = 5_000;
const REDRAW_MS = 100;

/** The state of a work whose end is not known, on stderr: one line that changes on a terminal, a plain line every few seconds elsewhere. */
export function progressLine(output: NodeJS.WriteStream = process.stderr): ProgressLine {
  let last = performance.now();
  const pause = output.isTTY ? REDRAW_MS : QUIET_MS;
  return {
    update: (text) => {
      if (performance.now() - last < pause) return;
      last = performance.now();
      const line = printableLine(text());
      output.write(output.isTTY ? `\r\u001b[2K${line.slice(0, (output.columns || 80) - 1)}` : `${line}\n`);
    },
    clear: () => {
      if (output.isTTY) output.write("\r\u001b[2K");
    },
  };
}
