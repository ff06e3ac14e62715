import * as z from "zod";
import { RelayError } from "../errors.ts";
import type { FindingRef } from "../ports/verdict-feed.ts";
import { mapInOrder } from "../util/concurrency.ts";
import type { DojoApi, Query } from "./api.ts";
import { page } from "./schemas.ts";

/** Up to so many originals of a test are asked for one by one. */
const FEW = 20;
/** A page of duplicates takes DefectDojo as long as so many single questions (1.15 s and some 30 ms, as measured on 3.2). */
const WORTH_A_PAGE = 40;
const PAGE_SIZE = 250;
const CONCURRENCY = 4;

const duplicate = z.object({
  id: z.number().int(),
  test: z.number().int(),
  duplicate_finding: z.number().int().nullish(),
});
const inProduct = z.object({
  related_fields: z.object({
    test: z.object({ engagement: z.object({ product: z.object({ id: z.number().int() }) }) }),
  }),
});

/** An original, and a test that one of its duplicates is in. */
interface Found {
  readonly original: number;
  readonly testId: number;
}

/**
 * The duplicates of originals. The API takes one original at a time; duplicates are in the product of their original, so that where many findings of a
 * test changed, all duplicates of its product are listed instead, if these are few enough.
 */
export async function* duplicatesOf(api: DojoApi, originals: readonly FindingRef[]): AsyncGenerator<Found> {
  const single: number[] = [];
  const products = new Map<number, Set<number>>();
  for (const ids of byTest(originals)) {
    const product = ids.length > FEW ? await productOf(api, ids) : undefined;
    if (product === undefined) single.push(...ids);
    else products.set(product, new Set([...(products.get(product) ?? []), ...ids]));
  }
  for (const [product, ids] of products) {
    const query = { duplicate: true, test__engagement__product: product };
    const count = await api.count("findings/", query);
    if (Math.ceil(count / PAGE_SIZE) * WORTH_A_PAGE > ids.size) single.push(...ids);
    else for await (const found of listed(api, query)) if (ids.has(found.original)) yield found;
  }
  for await (const found of mapInOrder(single, CONCURRENCY, (id) => ofOne(api, id))) yield* found;
}

function byTest(originals: readonly FindingRef[]): readonly (readonly number[])[] {
  const tests = new Map<number, number[]>();
  for (const { findingId, testId } of originals) tests.set(testId, [...(tests.get(testId) ?? []), findingId]);
  return [...tests.values()];
}

/** The product of findings of one test; undefined where they are gone. */
async function productOf(api: DojoApi, ids: readonly number[]): Promise<number | undefined> {
  const query = { id: ids.slice(0, FEW).join(","), related_fields: true, limit: 1, o: "id" };
  const [found] = (await api.get("findings/", query, page(inProduct))).results;
  return found?.related_fields.test.engagement.product.id;
}

/** @throws RelayError; an original that was deleted meanwhile has no duplicates */
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
