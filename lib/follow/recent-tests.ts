import type { TestIndex } from "../ports/test-index.ts";
import { addContents, type VerdictFeed } from "../ports/verdict-feed.ts";
import type { Grown } from "./changed-tests.ts";
import { type FollowState, type KnownTest, MOST_RECENT_TESTS } from "./follow-state.ts";

/** Tests a round that are asked how many findings they have, once findings were deleted somewhere. */
const GLANCES = 50;

type Recent = Pick<FollowState, "recent" | "known" | "total" | "sweep">;

/** The recent tests with those that were imported or got findings. */
export function withNewTests(state: FollowState, grown: ReadonlyMap<number, Grown>): Pick<Recent, "recent" | "known"> {
  const recent = [...state.recent.filter((id) => !grown.has(id)), ...grown.keys()].slice(-MOST_RECENT_TESTS);
  const known: Record<string, KnownTest> = {};
  for (const id of recent) {
    const [before, more] = [state.known?.[String(id)], grown.get(id)];
    // Of a test that was there before anything was counted, the next glance tells how many it has.
    const counted = before !== undefined || !state.recent.includes(id);
    if (!counted) continue;
    const findings = (before?.findings ?? 0) + (more?.findings ?? 0);
    const content = contents(before === undefined ? 0 : before.content, more === undefined ? 0 : more.content);
    known[String(id)] = { ...before, findings, probe: before?.probe ?? more?.probe, content };
  }
  return { recent, known };
}

/** A sum of which a part is not known is not known. */
const contents = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : addContents(a, b);

/** A test that is in no index for this long is not this relay's. Milliseconds. */
const LONGEST_WAIT_MS = 3_600_000;
const MOST_WAITING = 500;

/** Tests that got findings and are in no index yet: their import may be under way, or be another's. */
export function withWaiting(before: FollowState["waiting"] = {}, more: ReadonlyMap<number, Grown>) {
  const waiting = new Map(Object.entries(before));
  for (const [id, grown] of more) {
    const { findings, probe, content } = waiting.get(String(id)) ?? { findings: 0, probe: grown.probe, content: 0 };
    const sum = { findings: findings + grown.findings, content: contents(content, grown.content) };
    waiting.set(String(id), { ...grown, ...sum, probe });
  }
  return Object.fromEntries([...waiting].slice(-MOST_WAITING));
}

/** Which of the waiting tests are in the index by now, and which may still come. */
export async function indexedMeanwhile(index: TestIndex, waiting: FollowState["waiting"] = {}, now: number) {
  const ours = new Map<number, Grown>();
  const still: Record<string, Grown> = {};
  for (const [id, grown] of Object.entries(waiting)) {
    if ((await index.find(Number(id))) !== undefined) ours.set(Number(id), grown);
    else if (now - Date.parse(grown.at) < LONGEST_WAIT_MS) still[id] = grown;
  }
  return { ours, waiting: still };
}

/**
 * Whether findings were deleted: the token sees fewer than it saw, though none can have left the feed otherwise. Costs nothing, as each page tells.
 * @returns how many of the recent tests are to be asked
 */
export function sweepAfter(state: Recent, seen: { total: number; arrived: number } | undefined): number {
  const lost = seen !== undefined && state.total !== undefined && seen.total < state.total + seen.arrived;
  return lost ? MOST_RECENT_TESTS : (state.sweep ?? 0);
}

/** Asks some of the recent tests, the newest first, how many findings they have. */
export async function takeSweep(
  feed: VerdictFeed,
  { recent, known = {}, sweep = 0 }: Recent,
): Promise<{ readonly tests: readonly number[]; readonly known: Recent["known"]; readonly sweep: number }> {
  const left = Math.min(sweep, recent.length);
  const asked = recent.slice(Math.max(0, left - GLANCES), left);
  const tests: number[] = [];
  const now = { ...known };
  for (const id of asked.toReversed()) {
    const before = now[String(id)];
    const { findings, first } = await feed.glance(id);
    if (before !== undefined && findings < before.findings) tests.push(id);
    now[String(id)] = { ...before, findings, probe: first };
  }
  return { tests, known: now, sweep: left - asked.length };
}

/** Counts some of the recent tests of which nothing is known: an earlier version saw their findings come. */
export async function countUnknown(feed: VerdictFeed, { recent, known = {} }: Recent): Promise<Recent["known"]> {
  const unknown = recent.filter((id) => known[String(id)] === undefined);
  return (await takeSweep(feed, { recent: unknown, known, sweep: unknown.length })).known;
}

/**
 * Tests whose product or engagement was renamed or is another one since the last look. Of tests that were in one place, one is asked for, by turns;
 * where it is elsewhere, all of them.
 */
export async function movedTests(
  feed: VerdictFeed,
  { known = {}, next }: Pick<FollowState, "known" | "next">,
): Promise<{ readonly tests: readonly number[]; readonly known: Recent["known"] }> {
  const now = { ...known };
  const probed = Object.keys(known).filter((id) => known[id]?.probe !== undefined);
  const groups = [...Map.groupBy(probed, (id) => known[id]?.place ?? id).values()];
  const asked = groups.map((ids) => ids[next % ids.length] as string);
  const first = await elsewhere(feed, now, asked);
  const others = groups.filter((ids) => ids.some((id) => first.includes(id))).flat();
  const rest = await elsewhere(
    feed,
    now,
    others.filter((id) => !asked.includes(id)),
  );
  return { tests: [...first, ...rest].map(Number), known: now };
}

/** Notes where tests are. @returns those that were elsewhere */
async function elsewhere(feed: VerdictFeed, now: Record<string, KnownTest>, ids: readonly string[]): Promise<string[]> {
  const probes = new Map(ids.map((id) => [now[id]?.probe as number, id]));
  const moved: string[] = [];
  for await (const { findingId, place } of feed.places([...probes.keys()])) {
    const id = probes.get(findingId) as string;
    const before = now[id] as KnownTest;
    if (before.place !== undefined && before.place !== place) moved.push(id);
    now[id] = { ...before, place };
  }
  return moved;
}
