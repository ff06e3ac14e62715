import { expect, it } from "vitest";
import { dojoClient } from "../../lib/defectdojo/client.ts";
import { RelayError } from "../../lib/errors.ts";
import { anyJson } from "../helpers/arbitraries.ts";
import { collect } from "../helpers/collect.ts";
import { fakeTransport } from "../helpers/fake-transport.ts";
import { fc } from "../helpers/property.ts";

/** Together with those that row-01 forges, 5,000 hostile inputs. */
const RUNS = 3_000;

it("3,000 random hostile responses of DefectDojo end with a RelayError within the request limit", async () => {
  const item = fc.oneof(
    fc.record({ id: fc.integer(), name: fc.string(), build_id: fc.constant("key"), engagement: fc.integer() }),
    fc.record({ id: fc.integer({ min: -2, max: 3 }), test: fc.constant(1), title: fc.string(), created: fc.string() }),
    anyJson(2),
  );
  const page = fc.record({
    count: fc.oneof(fc.integer(), fc.constantFrom(0, 1, 100, 99_999, Number.MAX_SAFE_INTEGER)),
    results: fc.array(item, { maxLength: 5 }),
  });
  const answer = fc.oneof(
    { weight: 6, arbitrary: page },
    { weight: 2, arbitrary: anyJson(3) },
    { weight: 1, arbitrary: fc.constant({ test: 1, statistics: { after: { total: { total: 1e308 } } } }) },
  );
  const status = fc.constantFrom(200, 200, 200, 200, 201, 204, 400, 403, 404, 409, 429, 500, 503);
  const answers = fc.array(fc.tuple(status, answer), { minLength: 1, maxLength: 4 });
  const calls = fc.constantFrom<(dojo: ReturnType<typeof dojoClient>) => Promise<unknown>>(
    (dojo) => dojo.testsByBuildId("key"),
    (dojo) => dojo.productType("x", true),
    (dojo) => dojo.product({ name: "x", description: "x", tags: [], productTypeId: 1 }),
    (dojo) => dojo.hasTestType("x"),
    (dojo) => dojo.environment("x"),
    (dojo) => dojo.testType("x"),
    (dojo) => dojo.userNamed("x"),
    (dojo) => dojo.countFindings(1),
    (dojo) => collect(dojo.findingPages(1, undefined)),
    (dojo) => collect(dojo.findingPages(1, 3)),
    (dojo) => dojo.closeFindings(1, () => true),
    (dojo) => dojo.deleteTest(1),
  );
  await fc.assert(
    fc.asyncProperty(calls, answers, async (call, replies) => {
      let requests = 0;
      // The same few responses repeat, as from a broken proxy.
      const transport = fakeTransport(() => {
        const [code, body] = replies[requests++ % replies.length] ?? [500, null];
        if (requests > 2_500) throw new Error("one request too many");
        return [code, body];
      });
      const dojo = dojoClient(transport, { baseUrl: "http://dojo", readConcurrency: 4 });
      const error = await call(dojo).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error !== undefined) expect(error).toBeInstanceOf(RelayError);
    }),
    { numRuns: RUNS },
  );
}, 300_000);
