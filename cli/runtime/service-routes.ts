import type { EmbeddedStore } from "../../infra/local/http-listener.ts";
import { describeError } from "../../lib/errors.ts";
import type { FollowLag } from "../follow-lag.ts";
import type { Activity } from "./activity.ts";
import { pageRoutes } from "./page.ts";
import type { PageBackend } from "./page-api.ts";
import type { Precedence } from "./precedence.ts";
import type { Route } from "./receiver.ts";
import type { ServiceMetrics } from "./service-metrics.ts";

/** What the routes show and call; filled while the service starts, as the receiver listens first. */
export interface ServiceState {
  /** The ingest handler, once it exists. */
  ingest?: (event: unknown) => Promise<unknown>;
  /** The page's data and actions, once they exist. */
  page?: PageBackend | undefined;
  /** Whether the queue responded recently. */
  ready: () => boolean;
  /** The problem with the connection to DefectDojo at the start. */
  dojoTrouble: string | undefined;
  /** The running embedded stores. */
  readonly stores: EmbeddedStore[];
  /** How far verdicts are followed; undefined if they are not. */
  followLag: () => FollowLag | undefined;
}

export interface ServiceRoutesOptions {
  readonly activity: Activity;
  readonly metrics: ServiceMetrics;
  readonly notifications: Precedence;
  readonly dojoUrl: () => string;
}

/** The service's routes, by `METHOD /path`. */
export function serviceRoutes(
  state: ServiceState,
  { activity, metrics, notifications, dojoUrl }: ServiceRoutesOptions,
): Record<string, Route> {
  return {
    ...pageRoutes({ activity, backend: () => state.page, dojoUrl }),
    "GET /api/follow": () => ({
      status: 200,
      type: "application/json",
      body: `${JSON.stringify(state.followLag() ?? null)}\n`,
    }),
    "POST /events": notify(state, notifications),
    "GET /healthz": () => ({ status: 200, body: "ok\n" }),
    "GET /readyz": () => readiness(state),
    "GET /metrics": async () => ({
      status: 200,
      type: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
  };
}

/** Handles a bucket's notification. */
function notify(state: ServiceState, notifications: Precedence): Route {
  return async ({ body }) => {
    const take = state.ingest;
    if (take === undefined) return { status: 503, body: "starting\n" };
    const text = (await body()).toString("utf8");
    try {
      const taken = await notifications.first(() => take(parseJson(text)));
      return { status: 200, type: "application/json", body: `${JSON.stringify(taken)}\n` };
    } catch (error) {
      // The sender retries: only failures that a retry may fix get here.
      return { status: 503, body: `${describeError(error)}\n` };
    }
  };
}

function readiness({ stores, ready, dojoTrouble }: ServiceState) {
  const problem = stores.map((store) => store.problem()).find((one) => one !== undefined);
  if (problem !== undefined) return { status: 503, body: `not ready: ${problem}\n` };
  if (!ready()) return { status: 503, body: "not ready: the queue does not respond\n" };
  return { status: 200, body: dojoTrouble === undefined ? "ready\n" : `ready, but DefectDojo: ${dojoTrouble}\n` };
}

/** Invalid JSON stays text: ingest dead-letters it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
