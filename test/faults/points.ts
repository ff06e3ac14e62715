import { differences, type EndState, lookAtEnd } from "./end-state.ts";
import { type Lane, nameOf, openLane } from "./lane.ts";
import type { Call, Side } from "./proxy.ts";
import { type Point, runScan } from "./run.ts";
import { SCENARIOS, type Scenario, withProfile } from "./scenarios.ts";

/** A scenario run once without a kill: the expected end state and the possible kill points. */
interface Baseline {
  readonly scenario: Scenario;
  readonly state: EndState;
  readonly points: readonly Point[];
}

interface Task {
  readonly baseline: Baseline;
  readonly point: Point;
}

/** The result of a scenario without a kill. */
const NOWHERE: Point = { service: "DefectDojo", name: "nothing", nth: 0, bodySize: 0, side: "after" };

export interface Result {
  readonly baseline: Pick<Baseline, "scenario" | "points">;
  readonly point: Point;
  /** False if the run never reached that call, so nothing was killed. */
  readonly reached: boolean;
  /** Violations at the end. */
  readonly wrong: readonly string[];
  readonly log: readonly string[];
}

/** Polling calls repeat as often as needed: the first ones represent all. */
const MOST_OF_A_NAME = 3;
/** Calls whose body can arrive partially. */
const LEAST_HALVED = 200;
const HALVED = /^(PUT|UploadPart|POST \/(re)?import-scan)/;

/** Runs a scenario without a kill. @throws Error if it fails even so */
async function runBaseline(lane: Lane, scenario: Scenario): Promise<Baseline> {
  await lane.useDojo(scenario.standin ?? {});
  const run = await runScan(lane, scenario, undefined);
  const { state, wrong } = await lookAtEnd(lane, scenario, run);
  if (wrong.length > 0) throw new Error(`${scenario.name}, without a kill: ${wrong.join("; ")}\n${run.log.join("\n")}`);
  return { scenario, state, points: run.calls.flatMap((call) => pointsOf(call, scenario)) };
}

/** A scenario that fails without a kill has no points to compare: it counts as one result that did not converge. */
async function tryBaseline(lane: Lane, scenario: Scenario): Promise<Baseline | Result> {
  try {
    return await runBaseline(lane, scenario);
  } catch (error) {
    const wrong = [error instanceof Error ? error.message : String(error)];
    return { baseline: { scenario, points: [] }, point: NOWHERE, reached: true, wrong, log: [] };
  }
}

function pointsOf(call: Call, { calls = /./ }: Scenario): Point[] {
  const polls = call.name.startsWith("ReceiveMessage");
  if (!calls.test(`${call.service} ${call.name}`) || call.nth >= (polls ? 1 : MOST_OF_A_NAME)) return [];
  const halfway: Side[] = HALVED.test(call.name) && call.bodySize >= LEAST_HALVED ? ["halfway"] : [];
  return (["before", ...halfway, "after"] as const).map((side) => ({ ...call, side }));
}

/** Kills at one point and returns the result. */
async function runTask(lane: Lane, { baseline, point }: Task): Promise<Result> {
  const task = { baseline, point };
  try {
    const run = await runScan(lane, baseline.scenario, point);
    const { state, wrong } = await lookAtEnd(lane, baseline.scenario, run);
    return { ...task, reached: run.killed, wrong: [...wrong, ...differences(state, baseline.state)], log: run.log };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...task, reached: true, wrong: [why], log: [] };
  }
}

/** `n` of the items, evenly spread and always the same ones. */
function sample<T>(items: readonly T[], n: number | undefined): T[] {
  if (n === undefined || n >= items.length) return [...items];
  return Array.from({ length: n }, (_, i) => items[Math.floor((i * items.length) / n)]).filter(
    (item): item is T => item !== undefined,
  );
}

/**
 * Runs all scenarios and kills at each of their points or a sample of them, on several lanes in parallel.
 * @param onResult called with each result
 */
export async function runAll(
  options: { readonly sample?: number; readonly scenarios?: RegExp; readonly profile?: string; readonly lanes: number },
  onResult: (result: Result, of: number) => void = () => undefined,
): Promise<Result[]> {
  const wanted = SCENARIOS.filter(({ name }) => options.scenarios?.test(name) ?? true);
  const scenarios = wanted.map((scenario) => withProfile(scenario, options.profile));
  const lanes = await Promise.all(Array.from({ length: options.lanes }, openLane));
  try {
    const tried = await sideBySide(lanes, scenarios, tryBaseline);
    const broken = tried.filter((one) => "wrong" in one);
    for (const result of broken) onResult(result, broken.length);
    const baselines = tried.filter((one) => "points" in one);
    const tasks = baselines.flatMap((baseline) => baseline.points.map((point) => ({ baseline, point })));
    const chosen = sample(tasks, options.sample);
    const inUse = new Map<Lane, Scenario>();
    const killed = await sideBySide(lanes, chosen, async (lane, task) => {
      const { scenario } = task.baseline;
      if (inUse.get(lane) !== scenario) await lane.useDojo(scenario.standin ?? {});
      inUse.set(lane, scenario);
      const first = await runTask(lane, task);
      const result = first.reached ? first : await runTask(lane, task);
      onResult(result, chosen.length);
      return result;
    });
    return [...broken, ...killed];
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

/** Each lane takes the next piece of work as soon as it is free. */
async function sideBySide<T, R>(
  lanes: readonly Lane[],
  work: readonly T[],
  one: (lane: Lane, piece: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const drain = async (lane: Lane) => {
    for (let index = next++; index < work.length; index = next++) results[index] = await one(lane, work[index] as T);
  };
  await Promise.all(lanes.map(drain));
  return results;
}

export const pointName = ({ side, ...call }: Point) => `${side} ${nameOf(call)}`;
