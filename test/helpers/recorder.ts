import type { Fields, MetricName, Observer } from "../../lib/observe.ts";

interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Fields;
}

/** An observer that records everything. */
export interface Recorder extends Observer {
  readonly lines: Line[];
  readonly counts: Map<MetricName, number>;
  /** Messages with that level. */
  messages(level: Line["level"]): string[];
}

export function recorder(): Recorder {
  const lines: Line[] = [];
  const counts = new Map<MetricName, number>();
  const at =
    (level: Line["level"]) =>
    (message: string, fields: Fields = {}) => {
      lines.push({ level, message, fields });
    };
  return {
    lines,
    counts,
    messages: (level) => lines.filter((line) => line.level === level).map(({ message }) => message),
    log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
    metrics: { add: (name, value = 1) => void counts.set(name, (counts.get(name) ?? 0) + value) },
  };
}
