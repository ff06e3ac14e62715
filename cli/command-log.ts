import { describeError } from "../lib/errors.ts";
import type { Fields, Log, Metrics } from "../lib/observe.ts";
import { redact } from "../lib/util/secrets.ts";
import { printableLine } from "./terminal/printable.ts";

const nothing = () => undefined;

/** The log for a person at a terminal: warnings and errors only, a plain line each on stderr. */
export function commandLog(write: (line: string) => unknown = (line) => process.stderr.write(line)): Log {
  const at =
    (level: string) =>
    (message: string, { object, error }: Fields = {}) => {
      const details = [
        ...(object === undefined ? [] : [String(object)]),
        ...(error === undefined ? [] : [describeError(error, 300)]),
      ];
      write(
        `${level}: ${printableLine(redact(`${message}${details.length === 0 ? "" : ` (${details.join(": ")})`}`))}\n`,
      );
    };
  return { debug: nothing, info: nothing, warn: at("warning"), error: at("error") };
}

/** A command has no metrics: nobody scrapes it. */
export const NO_METRICS: Metrics = { add: nothing };
