import { readable } from "../../lib/aws/powertools.ts";
import type { CommonConfig } from "../../lib/config.ts";
import type { Fields, Log } from "../../lib/observe.ts";
import { redact } from "../../lib/util/secrets.ts";
import { printableJson } from "../terminal/printable.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

/** JSON lines on stderr: stdout is for a command's own output. */
export function serviceLog(
  least: CommonConfig["LOG_LEVEL"],
  write = (line: string) => process.stderr.write(line),
): Log {
  const at = (level: Level) => (message: string, fields?: Fields) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    const line = { time: new Date().toISOString(), level, message: redact(message), ...readable(fields) };
    write(`${printableJson(line)}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
