import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { CommonConfig } from "../config.ts";
import { describeError, RelayError } from "../errors.ts";
import { type Fields, METRICS, type Observer } from "../observe.ts";
import { redact, redactAll } from "../util/secrets.ts";

const UNITS = { Count: MetricUnit.Count, Milliseconds: MetricUnit.Milliseconds } as const;

/** Logs as JSON lines and metrics in CloudWatch's embedded metric format. */
export function powertoolsObserver(
  service: string,
  { LOG_LEVEL }: Pick<CommonConfig, "LOG_LEVEL">,
): Observer & { flush: () => void } {
  const logger = new Logger({ serviceName: service, logLevel: LOG_LEVEL.toUpperCase() as Uppercase<typeof LOG_LEVEL> });
  const metrics = new Metrics({ namespace: "DojoRelay", serviceName: service });
  return {
    log: {
      debug: (message, fields) => logger.debug(redact(message), readable(fields)),
      info: (message, fields) => logger.info(redact(message), readable(fields)),
      warn: (message, fields) => logger.warn(redact(message), readable(fields)),
      error: (message, fields) => logger.error(redact(message), readable(fields)),
    },
    metrics: { add: (name, value = 1) => metrics.addMetric(name, UNITS[METRICS[name]], value) },
    // Returns nothing: middy would take it for the function's answer.
    flush: () => {
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}

/** Errors in one line with reason and advice, without secrets: their causes say more than our stack trace. */
export function readable(fields: Fields = {}): Record<string, unknown> {
  const { error, ...others } = fields;
  if (error === undefined) return redactAll(others);
  const sorted =
    error instanceof RelayError ? { reason: error.reason, errorClass: error.errorClass, advice: error.advice } : {};
  return redactAll({ ...others, ...sorted, error: describeError(error) });
}
