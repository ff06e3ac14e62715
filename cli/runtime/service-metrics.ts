import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import { METRICS, type MetricName, type Metrics } from "../../lib/observe.ts";

/** From a fast read to an import of 100,000 findings. Seconds. */
const BUCKETS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000];

export interface ServiceMetrics extends Metrics {
  readonly registry: Registry;
}

/** The relay's metrics for Prometheus: `JobsFinished` is `dojo_relay_jobs_finished_total`, durations are histograms in seconds. */
export function serviceMetrics(): ServiceMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const add = new Map<MetricName, (value: number) => void>();
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const snake = name.replace(/(?<!^)([A-Z])/g, "_$1").toLowerCase();
    const help = name.replace(/(?<!^)([A-Z])/g, " $1").toLowerCase();
    if (METRICS[name] === "Milliseconds") {
      const histogram = new Histogram({
        name: `dojo_relay_${snake}_seconds`,
        help,
        buckets: BUCKETS,
        registers: [registry],
      });
      add.set(name, (value) => histogram.observe(value / 1000));
    } else {
      const counter = new Counter({ name: `dojo_relay_${snake}_total`, help, registers: [registry] });
      add.set(name, (value) => counter.inc(value));
    }
  }
  return { registry, add: (name, value = 1) => add.get(name)?.(value) };
}
