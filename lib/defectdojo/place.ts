import * as z from "zod";
import type { Place } from "../ports/defectdojo.ts";
import type { DojoApi } from "./api.ts";
import { named, page } from "./schemas.ts";

const placed = z.object({
  related_fields: z.object({
    test: z.object({ engagement: named.extend({ product: named.extend({ prod_type: named }) }) }),
  }),
});

/** What a test belongs to, read from one of its findings: the cost of requesting a product grows with its findings. */
export async function placeOfTest(api: DojoApi, testId: number): Promise<Place | undefined> {
  const query = { test: testId, related_fields: true, limit: 1, o: "id" };
  const [found] = (await api.get("findings/", query, page(placed))).results;
  if (found === undefined) return undefined;
  const { product, ...engagement } = found.related_fields.test.engagement;
  const { prod_type: productType, ...itself } = product;
  return { productType, product: itself, engagement };
}
