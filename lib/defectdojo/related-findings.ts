import type * as z from "zod";
import { type DojoApi, idGroups } from "./api.ts";
import { page } from "./schemas.ts";

/** Findings per URL; a row with its related fields is some kilobytes. */
const MOST_IDS = 100;

/** Findings by their ids, with the objects above them (`related_fields`); deleted and invisible ones are missing. */
export async function* relatedFindings<T extends z.ZodType>(
  api: DojoApi,
  findingIds: readonly number[],
  item: T,
): AsyncGenerator<z.output<T>> {
  for (let done = 0; done < findingIds.length; done += MOST_IDS) {
    for (const id of idGroups(findingIds.slice(done, done + MOST_IDS))) {
      const query = { id, related_fields: true, limit: MOST_IDS, o: "id" };
      yield* (await api.get("findings/", query, page(item))).results;
    }
  }
}
