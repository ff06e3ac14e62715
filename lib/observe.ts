import type { Progress } from "./progress.ts";

/** Log and metrics of the flows. Lambda uses Powertools, the service its own adapters. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

/** One row a metric: its unit. Names are CloudWatch's style; the service turns them into Prometheus'. */
export const METRICS = {
  NotificationsReceived: "Count",
  NotificationsIgnored: "Count",
  NotificationsFailed: "Count",
  FindingsUnrecognised: "Count",
  JobsEnqueued: "Count",
  JobsFinished: "Count",
  JobsFellBack: "Count",
  JobsSuperseded: "Count",
  JobsRetried: "Count",
  JobsWaiting: "Count",
  JobsDeadLettered: "Count",
  JobsNotSelected: "Count",
  NoticesSent: "Count",
  NoticesFailed: "Count",
  ScansResynced: "Count",
  ResyncsFailed: "Count",
  VerdictChanges: "Count",
  VerdictResyncs: "Count",
  FollowLag: "Milliseconds",
  FindingsImported: "Count",
  FindingsNew: "Count",
  FindingsOnlyInScan: "Count",
  FindingsMissing: "Count",
  JobDuration: "Milliseconds",
  ImportDuration: "Milliseconds",
} as const;

export type MetricName = keyof typeof METRICS;

export interface Metrics {
  add(name: MetricName, value?: number): void;
}

export interface Observer {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly onProgress?: (progress: Progress) => void;
}

/** The log with fields added to every line. */
export function withFields(log: Log, fields: Fields): Log {
  return {
    debug: (message, more) => log.debug(message, { ...fields, ...more }),
    info: (message, more) => log.info(message, { ...fields, ...more }),
    warn: (message, more) => log.warn(message, { ...fields, ...more }),
    error: (message, more) => log.error(message, { ...fields, ...more }),
  };
}
