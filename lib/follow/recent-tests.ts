import type { TestIndex } from "../ports/test-index.ts";
import type { VerdictFeed } from "../ports/verdict-feed.ts";
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
    known[String(id)] = { ...before, findings, probe: before?.probe ?? more?.probe };
  }
  return { recent, known };
}

/** A test that is in no index for this long is not this relay's. Milliseconds. */
const LONGEST_WAIT_MS = 3_600_000;
const MOST_WAITING = 500;

/** Tests that got findings and are in no index yet: their import may be under way, or be another's. */
export function withWaiting(before: FollowState["waiting"] = {}, more: ReadonlyMap<number, Grown>) {
  const waiting = new Map(Object.entries(before));
  for (const [id, grown] of more) {
    const { findings = 0, probe = grown.probe } = waiting.get(String(id)) ?? {};
    waiting.set(String(id), { ...grown, findings: findings + grown.findings, probe });
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

/** Tests whose product or engagement was renamed or is another one since the last look. */
export async function movedTests(
  feed: VerdictFeed,
  known: Recent["known"] = {},
): Promise<{ readonly tests: readonly number[]; readonly known: Recent["known"] }> {
  const probes = new Map(
    Object.entries(known).flatMap(([id, { probe }]) => (probe === undefined ? [] : [[probe, id] as const])),
  );
  const now = { ...known };
  const tests: number[] = [];
  for await (const { findingId, place } of feed.places([...probes.keys()])) {
    const id = probes.get(findingId);
    const before = id === undefined ? undefined : now[id];
    if (id === undefined || before === undefined) continue;
    if (before.place !== undefined && before.place !== place) tests.push(Number(id));
    now[id] = { ...before, place };
  }
  return { tests, known: now };
}
