import * as z from "zod";
import { RelayError } from "../errors.ts";
import type { FindingRef } from "../ports/verdict-feed.ts";
import { mapInOrder } from "../util/concurrency.ts";
import type { DojoApi, Query } from "./api.ts";
import { relatedFindings } from "./related-findings.ts";

/** Up to this many originals are queried one by one; for more, their products are looked up first. */
const FEW = 20;
/** With this many originals in a product, the number of its duplicates is queried. */
const SEVERAL = 5;
/** Listing this many duplicates takes DefectDojo as long as one query for an original's (4.6 ms per finding and some 30 ms per request, measured on 3.2). */
const LISTED_FOR_ONE = 6;
const PAGE_SIZE = 250;
const CONCURRENCY = 4;

const duplicate = z.object({
  id: z.number().int(),
  test: z.number().int(),
  duplicate_finding: z.number().int().nullish(),
});
const inProduct = z.object({
  test: z.number().int(),
  related_fields: z.object({
    test: z.object({ engagement: z.object({ product: z.object({ id: z.number().int() }) }) }),
  }),
});

/** An original, and the test of one of its duplicates. */
interface Found {
  readonly original: number;
  readonly testId: number;
}

/**
 * The duplicates of originals. The API takes one original at a time; duplicates are in the product of their original, so that where many findings of a
 * product changed, all its duplicates are listed instead, if that is less work.
 */
export async function* duplicatesOf(api: DojoApi, originals: readonly FindingRef[]): AsyncGenerator<Found> {
  const single: number[] = [];
  for (const [product, ids] of await byProduct(api, originals)) {
    const query = { duplicate: true, test__engagement__product: product ?? 0 };
    const few = product === undefined || ids.size < SEVERAL;
    if (few || (await api.count("findings/", query)) > LISTED_FOR_ONE * ids.size) single.push(...ids);
    else for await (const found of listed(api, query)) if (ids.has(found.original)) yield found;
  }
  for await (const found of mapInOrder(single, CONCURRENCY, (id) => ofOne(api, id))) yield* found;
}

/** Originals by their product; without one if they are few, or gone. */
async function byProduct(
  api: DojoApi,
  originals: readonly FindingRef[],
): Promise<Map<number | undefined, Set<number>>> {
  const tests = new Map(originals.map(({ testId, findingId }) => [testId, findingId]));
  const products = originals.length <= FEW ? new Map() : await productsOf(api, [...tests.values()]);
  const groups = Map.groupBy(originals, ({ testId }) => products.get(testId) as number | undefined);
  return new Map([...groups].map(([product, of]) => [product, new Set(of.map(({ findingId }) => findingId))]));
}

/** @returns the product of each finding's test */
async function productsOf(api: DojoApi, findingIds: readonly number[]): Promise<Map<number, number>> {
  const products = new Map<number, number>();
  for await (const { test, related_fields: related } of relatedFindings(api, findingIds, inProduct))
    products.set(test, related.test.engagement.product.id);
  return products;
}

/** @throws RelayError; an original that was deleted in the meantime has no duplicates */
async function ofOne(api: DojoApi, original: number): Promise<Found[]> {
  const found: Found[] = [];
  try {
    for await (const { testId } of listed(api, { duplicate_finding: original })) found.push({ original, testId });
  } catch (error) {
    if (!(error instanceof RelayError && error.reason === "dojo-rejected")) throw error;
  }
  return found;
}

async function* listed(api: DojoApi, query: Query): AsyncGenerator<Found> {
  const rows = api.list("findings/", { ...query, o: "id" }, duplicate, PAGE_SIZE);
  for await (const { test: testId, duplicate_finding: original } of rows)
    if (original != null) yield { original, testId };
}
