import { describe, expect, it } from "vitest";
import { leaseKey } from "../../../lib/model/state-keys.ts";
import { testLeases } from "../../../lib/ports/test-lease.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";

const BUCKET = "securecodebox";
const run = (jobKey: string) => ({ jobKey, begunAt: `2026-11-24T02:00:00Z ${jobKey}` });
const PLACE = "engagement 5, nightly";

function begin() {
  const clock = fakeClock();
  const storage = memoryStorage();
  return {
    clock,
    storage,
    leases: testLeases(storage, BUCKET, clock),
    in: (seconds: number) => clock.now() + seconds * 1000,
  };
}

describe("a lease on a living test", () => {
  it("is one job's, which may take it again, until it is given back", async () => {
    const { leases, in: at } = begin();
    const end = at(900);
    expect(await leases.take(PLACE, run("a"), end)).toBeUndefined();
    expect(await leases.take(PLACE, run("b"), at(900))).toBe(end);
    expect(await leases.take(PLACE, run("a"), at(1_000))).toBeUndefined();
    expect(await leases.take("another", run("b"), at(900))).toBeUndefined();
    await leases.giveBack(PLACE, "b");
    expect(await leases.take(PLACE, run("b"), at(900))).toBe(at(1_000));
    await leases.giveBack(PLACE, "a");
    expect(await leases.take(PLACE, run("b"), at(900))).toBeUndefined();
  });

  it("ends by itself where its job died", async () => {
    const { leases, clock, in: at } = begin();
    await leases.take(PLACE, run("a"), at(900));
    clock.advance(900_000);
    expect(await leases.take(PLACE, run("b"), at(900))).toBeUndefined();
    // Who had it gives nothing back that is another's by now.
    await leases.giveBack(PLACE, "a");
    expect(await leases.take(PLACE, run("c"), at(900))).toBe(at(900));
  });

  it("knows when the last runs that had it began, whoever has it now", async () => {
    const { leases, clock, in: at } = begin();
    expect(await leases.begunAt(PLACE, "a")).toBeUndefined();
    for (const job of ["a", "b", "a", "c"]) {
      await leases.take(PLACE, run(job), at(900));
      clock.advance(900_000);
    }
    await leases.take(PLACE, run("d"), at(900));
    await leases.giveBack(PLACE, "d");
    for (const job of ["a", "b", "c", "d"]) expect(await leases.begunAt(PLACE, job)).toBe(run(job).begunAt);
    for (let job = 0; job < 8; job++) await leases.take(PLACE, run(`${job}`), at(0));
    expect(await leases.begunAt(PLACE, "d")).toBeUndefined();
  });

  it("goes to one of two that take it at the same time", async () => {
    const { leases, in: at } = begin();
    const taken = await Promise.all(["a", "b", "c"].map((job) => leases.take(PLACE, run(job), at(900))));
    expect(taken.filter((end) => end === undefined)).toHaveLength(1);
  });

  it("that cannot be read is taken over", async () => {
    const { leases, storage, in: at } = begin();
    const ref = { bucket: BUCKET, key: leaseKey(PLACE) };
    for (const text of ["no json", "{}", '{"version":1,"jobKey":"b","until":"never"}']) {
      storage.put(ref, text);
      expect(await leases.take(PLACE, run("a"), at(900))).toBeUndefined();
      await leases.giveBack(PLACE, "a");
    }
    expect(ref.key).toMatch(/^\.dojo-relay\/living\/[0-9a-f]{2}\/[0-9a-f]{32}\.json$/);
  });
});
