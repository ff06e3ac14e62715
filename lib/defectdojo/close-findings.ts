import * as z from "zod";
import { RelayError } from "../errors.ts";
import type { DojoApi } from "./api.ts";
import { isTooLarge, PAGE_SIZE } from "./findings.ts";
import { page } from "./schemas.ts";

const identified = page(z.object({ id: z.number().int() }));

/**
 * Makes every finding of the test an inactive duplicate: hidden from reports, and never an original of later findings. Those that are
 * duplicates are inactive already. Closed findings leave the list, so its first page is always the rest: a later call repeats
 * nothing.
 * @param mayGoOn asked before each finding
 * @returns whether all are closed
 * @throws RelayError `read-unstable` when a finding does not stay closed
 */
export async function closeFindings(api: DojoApi, testId: number, mayGoOn: () => boolean): Promise<boolean> {
  const closed = new Set<number>();
  const what = { test: testId, duplicate: false, o: "id" };
  for (let limit = PAGE_SIZE; ; ) {
    if (!mayGoOn()) return false;
    let open: number[];
    try {
      open = (await api.get("findings/", { ...what, limit }, identified)).results.map(({ id }) => id);
    } catch (error) {
      if (limit === 1 || !isTooLarge(error)) throw error;
      limit = Math.floor(limit / 2);
      continue;
    }
    if (open.length === 0) return true;
    const left = open.filter((id) => !closed.has(id));
    if (left.length === 0) {
      const message = `test ${testId}: finding ${open[0]} is not a duplicate although it was marked as one`;
      throw new RelayError("read-unstable", message, { object: `test ${testId}` });
    }
    for (const id of left) {
      if (!mayGoOn()) return false;
      // A deleted one counts as closed.
      const json = { active: false, verified: false, duplicate: true };
      await api.transport.request("PATCH", `findings/${id}/`, { json, expect: [404] });
      closed.add(id);
    }
  }
}
