import { describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { day, resolveImportContext, withFreshIds } from "../../../lib/importer/import-context.ts";
import { readAnnotations } from "../../../lib/model/annotations.ts";
import type { Scan } from "../../../lib/model/scan.ts";
import type { DefectDojo, EngagementWanted, ProductWanted } from "../../../lib/ports/defectdojo.ts";
import type { FlowSettings } from "../../../lib/types.ts";
import { aScan } from "../../helpers/factories.ts";
import { fakeDojo } from "../../helpers/fake-dojo.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const NOW = new Date("2026-11-24T12:00:00Z");
const TYPES: Readonly<Record<string, number>> = { "1": 1, "Web Shops": 2 };
type Settings = Pick<FlowSettings, "lowPrivileged" | "userId" | "username">;
const PLAIN: Settings = { lowPrivileged: false, userId: undefined, username: undefined };

async function file(scan: Scan, settings: Partial<Settings> = {}, methods: Partial<DefectDojo> = {}) {
  const asked: { types: unknown[]; product?: ProductWanted; engagement?: EngagementWanted } = { types: [] };
  const dojo = fakeDojo({
    user: async () => ({ id: 2, username: "token", superuser: true }),
    userNamed: async (username) => ({ id: 3, username, superuser: false }),
    productType: async (wanted, mayCreate) => {
      asked.types.push([wanted, mayCreate]);
      return { id: TYPES[String(wanted)] ?? 9, name: `type ${wanted}` };
    },
    product: async (wanted) => {
      asked.product = wanted;
      return { id: 12, name: wanted.name, productTypeId: wanted.productTypeId };
    },
    engagement: async (wanted) => {
      asked.engagement = wanted;
      return { id: 5, name: wanted.name, productId: wanted.productId };
    },
    ...methods,
  });
  const { options } = readAnnotations(scan, "s3://b/k");
  const filed = await resolveImportContext({ dojo, scan, options, settings: { ...PLAIN, ...settings }, now: NOW });
  return { filed, asked };
}

describe("the environment", () => {
  const scan = aScan({ annotations: { environment: "production" } });

  it("is sent as DefectDojo spells it", async () => {
    const environment = async (name: string) => (name === "production" ? "Production" : "?");
    expect((await file(scan, {}, { environment })).filed.environment).toBe("Production");
    expect((await file(aScan())).filed.environment).toBeUndefined();
  });

  it("is looked up before anything is made", async () => {
    const made: string[] = [];
    const make = (what: string) => async () => {
      made.push(what);
      return { id: 1, name: "x", productTypeId: 1, productId: 1 };
    };
    const environment = async () => {
      throw new RelayError("sidecar-invalid", "no such environment");
    };
    const methods = {
      environment,
      productType: make("type"),
      product: make("product"),
      engagement: make("engagement"),
    };
    expect(await relayErrorBy(() => file(scan, {}, methods))).toMatchObject({ reason: "sidecar-invalid" });
    expect(made).toEqual([]);
  });
});

describe("a scan is filed", () => {
  it("by its name, under the first product type, with the token's user as lead", async () => {
    const { filed, asked } = await file(aScan());
    expect(filed).toMatchObject({
      lead: { id: 2 },
      productType: { id: 1 },
      product: { id: 12, name: "nmap-example" },
      engagement: { id: 5, name: "nmap-example" },
      warnings: [],
    });
    expect(asked).toEqual({
      types: [[1, true]],
      product: {
        name: "nmap-example",
        description: "Product was automatically created by the secureCodeBox DefectDojo integration",
        tags: [],
        productTypeId: 1,
      },
      engagement: {
        productId: 12,
        name: "nmap-example",
        version: "",
        tags: [],
        branchTag: "",
        deduplicateOnEngagement: false,
        leadId: 2,
        start: "2026-11-20",
        end: "2026-11-24",
        orchestrated: true,
      },
    });
  });

  it("by its annotations", async () => {
    const annotations = {
      "product-type-name": "Web Shops",
      "product-name": "Shop",
      "product-description": "d",
      "product-tags": "a, b",
      "engagement-name": "nightly",
      "engagement-version": "v1",
      "engagement-tags": "c",
      "engagement-deduplicate-on-engagement": "true",
    };
    const { asked } = await file(aScan({ annotations }));
    expect(asked.types).toEqual([["Web Shops", true]]);
    expect(asked.product).toEqual({ name: "Shop", description: "d", tags: ["a", "b"], productTypeId: 2 });
    expect(asked.engagement).toMatchObject({
      name: "nightly",
      version: "v1",
      tags: ["c"],
      branchTag: "v1",
      deduplicateOnEngagement: true,
    });
  });

  it("with a branch tag of its own", async () => {
    const { asked } = await file(aScan({ annotations: { "engagement-version": "v1", "branch-tag": "main" } }));
    expect(asked.engagement?.branchTag).toBe("main");
  });

  it.each<[string, Partial<Settings>, number]>([
    ["the user id that is configured", { userId: 7 }, 7],
    ["the user id also where a name is configured", { userId: 7, username: "sec" }, 7],
    ["the user of that name", { username: "sec" }, 3],
    ["the token's own in low-privileged mode, which may list no users", { username: "sec", lowPrivileged: true }, 2],
  ])("with %s as lead", async (_, settings, lead) => {
    const { filed, asked } = await file(aScan(), settings);
    expect(filed.lead.id).toBe(lead);
    expect(asked.engagement?.leadId).toBe(lead);
  });

  it("without making a product type or an orchestration link in low-privileged mode", async () => {
    const { asked } = await file(aScan(), { lowPrivileged: true });
    expect(asked.types).toEqual([[1, false]]);
    expect(asked.engagement?.orchestrated).toBe(false);
  });

  it("where its product is, whatever the product type that was asked for", async () => {
    const { filed, asked } = await file(
      aScan({ annotations: { "product-type-name": "Web Shops" } }),
      {},
      { product: async ({ name }) => ({ id: 12, name, productTypeId: 9 }) },
    );
    expect(filed.productType).toEqual({ id: 9, name: "type 9" });
    expect(asked.types).toEqual([
      ["Web Shops", true],
      [9, false],
    ]);
    expect(filed.warnings).toEqual(['product "nmap-example" is in product type "type 9" and stays there']);
  });

  it("also where the product's own type cannot be seen", async () => {
    const hidden = () => {
      throw new RelayError("product-type-missing", "hidden", { object: "product type with id 9" });
    };
    const { filed } = await file(
      aScan(),
      { lowPrivileged: true },
      {
        product: async ({ name }) => ({ id: 12, name, productTypeId: 9 }),
        productType: async (wanted) => (wanted === 9 ? hidden() : { id: 1, name: "type 1" }),
      },
    );
    expect(filed.productType).toMatchObject({ id: 9 });
    expect(filed.warnings).toHaveLength(1);
  });

  it("from today where its clock is ahead of ours", async () => {
    const { asked } = await file(aScan({ createdAt: "2026-12-24T00:00:00Z" }));
    expect(asked.engagement).toMatchObject({ start: "2026-11-24", end: "2026-11-24" });
  });

  it("from today where it does not say when it was created", async () => {
    const { createdAt: _, ...scan } = aScan();
    expect((await file(scan)).asked.engagement).toMatchObject({ start: "2026-11-24" });
  });
});

describe("day", () => {
  it("is UTC's", () => {
    expect(day(new Date("2026-11-24T23:30:00-02:00"))).toBe("2026-11-25");
  });
});

describe("withFreshIds", () => {
  const gone = (message: string, reason: RelayError["reason"] = "dojo-rejected") =>
    new RelayError(reason, `POST /api/v2/import-scan/: HTTP 400: ${message}`, { object: "POST" });
  const run = async (...outcomes: (RelayError | string)[]) => {
    let [forgot, runs] = [0, 0];
    const { log, messages } = recorder();
    const dojo = fakeDojo({ forget: () => void forgot++ });
    const next = async () => {
      const outcome = outcomes[runs++];
      if (outcome instanceof RelayError) throw outcome;
      return outcome;
    };
    const error = await relayErrorBy(async () => {
      const done = await withFreshIds(next, { ports: { dojo, log } });
      throw new RelayError("internal", `done: ${done}`);
    });
    return { result: error.message, error, forgot, runs, warned: messages("warn").length };
  };

  it("runs once where all is well", async () => {
    expect(await run("x")).toMatchObject({ result: "done: x", forgot: 0, runs: 1 });
  });

  it.each([
    gone('Engagement "9" does not exist'),
    gone('lead: Invalid pk "9" - object does not exist.'),
    gone("product: Select a valid choice. That choice is not one of the available choices."),
    gone("object does not exist", "dojo-not-found"),
  ])("forgets and runs once more: $message", async (error) => {
    expect(await run(error, "x")).toMatchObject({ result: "done: x", forgot: 1, runs: 2, warned: 1 });
  });

  it("does not run a third time", async () => {
    const error = gone('Engagement "9" does not exist');
    expect(await run(error, error, "x")).toMatchObject({ error, forgot: 1, runs: 2 });
  });

  it.each([
    gone("version: too long"),
    gone("POST /api/v2/import-scan/: HTTP 400: ['Environment named 7 does not exist.']"),
    gone('Engagement "9" does not exist', "dojo-unavailable"),
    gone("not found", "dojo-not-found"),
  ])("leaves other errors alone: $message", async (error) => {
    expect(await run(error, "x")).toMatchObject({ error, forgot: 0, runs: 1 });
  });
});

describe("closing what an earlier scan found", () => {
  const closing = (annotations: Record<string, string>) =>
    aScan({ annotations: { "close-old-findings": "true", ...annotations } });
  const made = { engagement: async () => ({ id: 5, name: "run 3", productId: 12, isNew: true }) };

  it("reaches nothing in an engagement that was made for this import, which is warned of", async () => {
    const { filed } = await file(closing({}), {}, made);
    expect(filed.warnings).toEqual([expect.stringContaining("close-old-findings-product-scope")]);
  });

  it("reaches nothing yet in the first run of an engagement that later ones share: nothing is to be annotated", async () => {
    const { filed } = await file(closing({ "engagement-name": "main" }), {}, made);
    expect(filed.warnings).toEqual([expect.stringMatching(/closes nothing yet: .* was created for this import$/)]);
  });

  it("is not warned of in the product's scope, in an engagement that was there, or where nothing is to be closed", async () => {
    expect((await file(closing({ "close-old-findings-product-scope": "true" }), {}, made)).filed.warnings).toEqual([]);
    expect((await file(closing({}))).filed.warnings).toEqual([]);
    expect((await file(aScan(), {}, made)).filed.warnings).toEqual([]);
  });
});

describe("what is made only once takes these annotations", () => {
  it.each([
    [{}, "2026-11-20", "2026-11-24"],
    [{ "engagement-days": "30" }, "2026-11-20", "2026-12-20"],
    [{ "engagement-days": "30", "engagement-end-date": "2027-01-31" }, "2026-11-20", "2027-01-31"],
    [{ "engagement-end-date": "2026-01-31" }, "2026-11-20", "2026-11-20"],
  ])("an engagement with %j: from %s to %s", async (annotations, start, end) => {
    expect((await file(aScan({ annotations }))).asked.engagement).toMatchObject({ start, end });
  });

  it("the source code's address and the product's criticality", async () => {
    const annotations = {
      "source-code-management-uri": "https://git.example.com/x",
      "product-business-criticality": "high",
    };
    const { asked } = await file(aScan({ annotations }));
    expect(asked.engagement?.sourceCodeManagementUri).toBe("https://git.example.com/x");
    expect(asked.product?.businessCriticality).toBe("high");
  });
});
