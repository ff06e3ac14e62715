import { SingleBar } from "cli-progress";

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
        output.write(`${done} ${count}${total === undefined ? "" : `/${total}`} ${what}\n`);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({ stream: output, format: `${done} {value}/{total} [{bar}] {what}`, hideCursor: true });
  bar.start(total, 0, { what: "" });
  return { advance: (what) => bar.increment(1, { what }), stop: () => bar.stop() };
}
