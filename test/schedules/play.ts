import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { wrongAtTheEnd, wrongInDlq } from "./invariants.ts";
import type { Schedule } from "./schedule.ts";
import { createWorld } from "./world.ts";

/** Longer traces are truncated at the start. */
const LONGEST_STORY = 400;

/** Plays a schedule to its end. @throws with all violations and the trace */
export async function play(schedule: Schedule): Promise<void> {
  await using world = createWorld(schedule);
  const wrong: string[] = [];
  try {
    await world.run();
    wrong.push(...wrongInDlq(world, schedule));
    await world.redrive();
    wrong.push(...wrongAtTheEnd(world, schedule));
  } catch (error) {
    wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  if (wrong.length > 0) throw new Error([...wrong, ...world.story.slice(-LONGEST_STORY)].join("\n"));
}

/** Dead importers leave their temporary folders in one parent folder, which is removed. */
export function useTemporaryFolder(): void {
  const before = process.env.TMPDIR;
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-schedules-"));
    process.env.TMPDIR = folder;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(folder, { recursive: true, force: true });
  });
}
