import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { dojoCatalog } from "../../../lib/defectdojo/catalog.ts";
import type { EngagementWanted } from "../../../lib/ports/defectdojo.ts";
import { type Call, fakeTransport, pageOf, type Reply } from "../../helpers/fake-transport.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

type Row = { readonly id: number; readonly [field: string]: unknown };

/** DefectDojo's lists as tables; a row that is posted gets the next id. `before` may answer a call in its stead. */
function dojo(tables: Record<string, Row[]>, before: (call: Call) => Reply | undefined = () => undefined) {
  let nextId = 100;
  const transport = fakeTransport((call) => {
    const answer = before(call);
    if (answer !== undefined) return answer;
    const [name = "", id] = call.path.split("/");
    const table = tables[name];
    if (table === undefined) return [404];
    if (call.method === "POST" && id === "") {
      const row = { id: nextId++, ...(call.json as object) };
      table.push(row);
      return [201, row];
    }
    if (call.method === "POST") return [200, {}];
    if (id !== "") {
      const found = table.find((row) => String(row.id) === id);
      if (call.method === "DELETE" && found !== undefined) table.splice(table.indexOf(found), 1);
      return found === undefined ? [404, { detail: "No." }] : call.method === "DELETE" ? [204] : [200, found];
    }
    return pageOf(table, call);
  });
  return { transport, tables, catalog: dojoCatalog(dojoApi(transport)) };
}
const lines = (transport: ReturnType<typeof dojo>["transport"], start: string) =>
  transport.lines().filter((line) => line.startsWith(start));
const exists = (what: string): Reply => [
  400,
  { name: [`${what} with this name already exists.`], message: "{…}", pro: ["Pro comes with support."] },
];

describe("users", () => {
  const profile: Reply = [200, { user: { id: 2, username: "lowpriv", is_superuser: false } }];

  it("the token's own is what user_profile says, asked for once", async () => {
    const { catalog, transport } = dojo({}, () => profile);
    expect(await catalog.user()).toEqual({ id: 2, username: "lowpriv", superuser: false });
    await catalog.user();
    expect(transport.lines()).toEqual(["GET user_profile/"]);
  });

  it("a wrong token is forbidden, and asked for again next time", async () => {
    let times = 0;
    const { catalog } = dojo({}, () => (++times === 1 ? [403, { detail: "Invalid token." }] : profile));
    const error = await relayErrorBy(() => catalog.user());
    expect(error).toMatchObject({ reason: "dojo-forbidden", object: "GET /api/v2/user_profile/" });
    expect(error.message).toContain("Invalid token.");
    expect(await catalog.user()).toMatchObject({ id: 2 });
  });

  it("are found by exactly their name", async () => {
    const users = [
      { id: 1, username: "admin2" },
      { id: 2, username: "admin", is_superuser: true },
    ];
    const { catalog } = dojo({ users });
    expect(await catalog.userNamed("admin")).toEqual({ id: 2, username: "admin", superuser: true });
    expect(await relayErrorBy(() => catalog.userNamed("adm"))).toMatchObject({
      reason: "user-missing",
      object: "user adm",
    });
  });
});

describe("product types", () => {
  const product_types = () => [
    { id: 1, name: "Research and Development" },
    { id: 2, name: "Shops" },
    { id: 3, name: "Web Shops" },
  ];

  it("are found by exactly their name", async () => {
    const { catalog, transport } = dojo({ product_types: product_types() });
    expect(await catalog.productType("Shops", true)).toEqual({ id: 2, name: "Shops" });
    await catalog.productType("Shops", true);
    expect(transport.lines()).toEqual(["GET product_types/?name=Shops&limit=100"]);
  });

  it("are created where they are missing", async () => {
    const { catalog, transport } = dojo({ product_types: product_types() });
    expect(await catalog.productType("shops", true)).toEqual({ id: 100, name: "shops" });
    expect(transport.calls.at(-1)).toMatchObject({ method: "POST", path: "product_types/", json: { name: "shops" } });
  });

  it("that somebody else creates meanwhile are theirs", async () => {
    const { catalog, tables } = dojo({ product_types: [] }, (call) => {
      if (call.method !== "POST") return undefined;
      tables.product_types?.push({ id: 9, name: "New" });
      return exists("product_ type");
    });
    expect(await catalog.productType("New", true)).toEqual({ id: 9, name: "New" });
  });

  it("that exist and cannot be seen are an error in DefectDojo's words", async () => {
    const { catalog } = dojo({ product_types: [] }, ({ method }) =>
      method === "POST" ? exists("product_ type") : undefined,
    );
    const error = await relayErrorBy(() => catalog.productType("Hidden", true));
    expect(error.message).toContain("already exists");
  });

  it("that a low-privileged token needs and does not have are named, with the right that it takes", async () => {
    const { catalog, transport } = dojo({ product_types: product_types() });
    const error = await relayErrorBy(() => catalog.productType("New", false));
    expect(error).toMatchObject({
      reason: "product-type-missing",
      errorClass: "permanent",
      object: 'product type "New"',
    });
    expect(error.message).toContain("a low-privileged token may not create it");
    expect(lines(transport, "POST")).toEqual([]);
  });

  it("that may not be created are named so", async () => {
    const { catalog } = dojo({ product_types: [] }, ({ method }) =>
      method === "POST" ? [403, { detail: "No." }] : undefined,
    );
    const error = await relayErrorBy(() => catalog.productType("New", true));
    expect(error).toMatchObject({ reason: "product-type-missing", object: 'product type "New"' });
    expect(error.message).toContain("staff user");
  });

  it("are found by their id", async () => {
    const { catalog } = dojo({ product_types: product_types() });
    expect(await catalog.productType(1, false)).toEqual({ id: 1, name: "Research and Development" });
  });

  it.each([403, 404])("by an id that is %d are missing for this token", async (status) => {
    const { catalog } = dojo({}, () => [status, { detail: "No." }]);
    const error = await relayErrorBy(() => catalog.productType(1, true));
    expect(error).toMatchObject({ reason: "product-type-missing" });
    expect(error.message).toContain("product-type-name");
  });

  it("by an id of a server that fails are not missing", async () => {
    const { catalog } = dojo({}, () => [500]);
    expect(await relayErrorBy(() => catalog.productType(1, true))).toMatchObject({ reason: "dojo-unavailable" });
  });
});

describe("products", () => {
  const wanted = { name: "Shop", description: "d", tags: ["a"], productTypeId: 2 };
  const related = (name: string) => ({
    id: 1,
    related_fields: { test: { engagement: { product: { id: 12, name, prod_type: { id: 3 } } } } },
  });

  it("are found by one of their findings, at a constant cost", async () => {
    const { catalog, transport } = dojo({ findings: [related("Shop")] });
    expect(await catalog.product(wanted)).toEqual({ id: 12, name: "Shop", productTypeId: 3 });
    await catalog.product(wanted);
    expect(transport.lines()).toEqual(["GET findings/?product_name=Shop&related_fields=true&limit=1&o=id"]);
  });

  it("without findings are created, with description and tags", async () => {
    const { catalog, transport } = dojo({ findings: [], products: [] });
    expect(await catalog.product(wanted)).toEqual({ id: 100, name: "Shop", productTypeId: 2 });
    expect(transport.calls.at(-1)?.json).toEqual({ name: "Shop", description: "d", prod_type: 2, tags: ["a"] });
  });

  it("without findings that exist are found by exactly their name", async () => {
    const products = [
      { id: 13, name: "Shop two", prod_type: 1 },
      { id: 12, name: "Shop", prod_type: 5 },
    ];
    const { catalog, transport } = dojo({ findings: [], products }, ({ method }) =>
      method === "POST" ? exists("product") : undefined,
    );
    expect(await catalog.product(wanted)).toEqual({ id: 12, name: "Shop", productTypeId: 5 });
    expect(transport.lines().at(-1)).toBe("GET products/?name_exact=Shop&limit=100");
  });

  it("are not taken for another's whose name fits in part", async () => {
    const { catalog } = dojo({ findings: [related("Shop two")], products: [] });
    expect(await catalog.product(wanted)).toMatchObject({ id: 100 });
  });

  it("are not taken from an answer that does not tell", async () => {
    for (const findings of [[{ id: 1 }], [{ id: 1, related_fields: null }]]) {
      const { catalog } = dojo({ findings, products: [] });
      expect(await catalog.product(wanted)).toMatchObject({ id: 100 });
    }
  });

  it("that DefectDojo refuses are an error in its words", async () => {
    const { catalog } = dojo({ findings: [], products: [] }, ({ method }) =>
      method === "POST" ? [400, { description: ["This field may not be blank."], message: "{…}" }] : undefined,
    );
    const error = await relayErrorBy(() => catalog.product(wanted));
    expect(error).toMatchObject({ reason: "dojo-rejected", status: 400, object: "POST /api/v2/products/" });
    expect(error.message).toContain("description: This field may not be blank.");
  });

  it("asked for at once are created once", async () => {
    const { catalog, tables } = dojo({ findings: [], products: [] });
    const [one, two] = await Promise.all([catalog.product(wanted), catalog.product(wanted)]);
    expect(one).toEqual(two);
    expect(tables.products).toHaveLength(1);
  });

  it("are looked up afresh once they are forgotten", async () => {
    const { catalog, tables } = dojo({ findings: [related("Shop")] });
    await catalog.product(wanted);
    tables.findings?.splice(0);
    tables.products = [];
    expect(await catalog.product(wanted)).toMatchObject({ id: 12 });
    catalog.forget();
    expect(await catalog.product(wanted)).toMatchObject({ id: 100 });
  });
});

describe("test types", () => {
  it("are there by exactly their name", async () => {
    const { catalog, transport } = dojo({
      test_types: [
        { id: 1, name: "ZAP Scan Detailed" },
        { id: 2, name: "ZAP Scan" },
      ],
    });
    expect(await catalog.hasTestType("ZAP Scan")).toBe(true);
    expect(await catalog.hasTestType("zap scan")).toBe(false);
    await catalog.hasTestType("zap scan");
    expect(transport.calls).toHaveLength(2);
  });

  const test_types = () =>
    ["CSAF Scan", "Generic Findings Import", "Nikto Scan", "SARIF", "Trivy Scan"].map((name, id) => ({ id, name }));

  it.each(["Trivy Scan", "trivy scan", " TRIVY SCAN"])(
    "are found in any case: %j, all of them asked for once",
    async (name) => {
      const { catalog, transport } = dojo({ test_types: test_types() });
      expect(await catalog.testType(name)).toBe("Trivy Scan");
      await catalog.testType("sarif");
      expect(transport.lines()).toEqual(["GET test_types/?limit=250"]);
    },
  );

  it("of which one differs from another in case only are told apart", async () => {
    const { catalog } = dojo({ test_types: [{ id: 8, name: "TRIVY Scan" }, ...test_types()] });
    expect(await catalog.testType("Trivy Scan")).toBe("Trivy Scan");
  });

  it.each([
    ["Trivy", "Trivy Scan"],
    ["Nitko Scan", "Nikto Scan"],
    ["generic", "Generic Findings Import"],
    ["Sarif Scan", "SARIF"],
  ])("that are not there name annotation, value and the nearest: %j, %j", async (name, meant) => {
    const { catalog } = dojo({ test_types: test_types() });
    expect(await relayErrorBy(() => catalog.testType(name))).toMatchObject({
      reason: "sidecar-invalid",
      errorClass: "permanent",
      message: `annotation defectdojo.securecodebox.io/import-as: DefectDojo has no scan type "${name}"; did you mean "${meant}"?`,
    });
  });

  it("that were added meanwhile are found", async () => {
    const { catalog, tables } = dojo({ test_types: test_types() });
    await catalog.testType("SARIF");
    tables.test_types?.push({ id: 9, name: "Our Scan" });
    expect(await catalog.testType("our scan")).toBe("Our Scan");
  });
});

describe("engagements", () => {
  const wanted: EngagementWanted = {
    productId: 12,
    name: "nightly",
    version: "v1",
    tags: ["daily"],
    branchTag: "main",
    deduplicateOnEngagement: true,
    leadId: 2,
    start: "2026-11-20",
    end: "2026-11-24",
    orchestrated: false,
  };
  const row = (id: number, changes: object = {}): Row => ({
    id,
    name: "nightly",
    version: "v1",
    product: 12,
    active: true,
    status: "In Progress",
    ...changes,
  });

  it("are reused where name, version and product are the same", async () => {
    const { catalog, transport } = dojo({
      engagements: [row(3, { version: "v2" }), row(4, { product: 1 }), row(6), row(5)],
    });
    expect(await catalog.engagement(wanted)).toEqual({ id: 5, name: "nightly", productId: 12 });
    expect(transport.lines()).toEqual(["GET engagements/?product=12&name=nightly&version=v1&limit=250"]);
  });

  it("are looked up each time", async () => {
    const { catalog, transport } = dojo({ engagements: [row(5)] });
    await catalog.engagement(wanted);
    await catalog.engagement(wanted);
    expect(transport.calls).toHaveLength(2);
  });

  it.each([null, ""])("without a version are reused where there is none: %j", async (version) => {
    const { catalog, transport } = dojo({ engagements: [row(4), row(5, { version })] });
    expect(await catalog.engagement({ ...wanted, version: "" })).toMatchObject({ id: 5 });
    expect(transport.lines()[0]).toBe("GET engagements/?product=12&name=nightly&limit=250");
  });

  it.each([
    ["completed", { status: "Completed" }],
    ["inactive", { active: false }],
  ])("that are %s are reopened", async (_, changes) => {
    const { catalog, transport } = dojo({ engagements: [row(5, changes)] });
    expect(await catalog.engagement(wanted)).toMatchObject({ id: 5 });
    expect(lines(transport, "POST")).toEqual(["POST engagements/5/reopen/"]);
  });

  it("are created where name or version is new", async () => {
    for (const changes of [{ name: "weekly" }, { version: "v2" }]) {
      const { catalog, transport } = dojo({ engagements: [row(5)] });
      expect(await catalog.engagement({ ...wanted, ...changes })).toMatchObject({ id: 100 });
      expect(lines(transport, "POST")).toEqual(["POST engagements/"]);
    }
  });

  it("are created with all that is known", async () => {
    const { catalog, transport } = dojo({ engagements: [] });
    await catalog.engagement(wanted);
    expect(transport.calls.find(({ method }) => method === "POST")?.json).toEqual({
      product: 12,
      name: "nightly",
      version: "v1",
      branch_tag: "main",
      lead: 2,
      description: "",
      tags: ["daily"],
      target_start: "2026-11-20",
      target_end: "2026-11-24",
      engagement_type: "CI/CD",
      status: "In Progress",
      deduplication_on_engagement: true,
      // The Java hook of secureCodeBox looks for engagements with these four only.
      pen_test: false,
      threat_model: false,
      api_test: false,
      check_list: false,
    });
  });

  it("of two that are made at once the older is everybody's", async () => {
    const { catalog, transport, tables } = dojo({ engagements: [] }, (call) => {
      if (call.method === "POST") tables.engagements?.push(row(99));
      return undefined;
    });
    expect(await catalog.engagement(wanted)).toMatchObject({ id: 99 });
    expect(lines(transport, "DELETE")).toEqual(["DELETE engagements/100/"]);
    expect(tables.engagements?.map(({ id }) => id)).toEqual([99]);
  });

  it("of two that are made at once ours stays where it is the older", async () => {
    const { catalog, transport, tables } = dojo({ engagements: [] }, (call) => {
      if (call.method === "POST") tables.engagements?.push(row(101));
      return undefined;
    });
    expect(await catalog.engagement(wanted)).toMatchObject({ id: 100 });
    expect(lines(transport, "DELETE")).toEqual([]);
  });

  it.each([403, 404])("that may not be deleted (%d) are left over, and the older used", async (status) => {
    const { catalog, tables } = dojo({ engagements: [] }, (call) => {
      if (call.method === "POST") tables.engagements?.push(row(99));
      return call.method === "DELETE" ? [status] : undefined;
    });
    expect(await catalog.engagement(wanted)).toMatchObject({ id: 99 });
  });

  it("that are closed when they win a race are reopened", async () => {
    const { catalog, transport, tables } = dojo({ engagements: [] }, (call) => {
      if (call.method === "POST") tables.engagements?.push(row(99));
      return undefined;
    });
    await catalog.engagement(wanted);
    tables.engagements?.splice(0, 1, row(99, { status: "Completed" }));
    expect(await catalog.engagement(wanted)).toMatchObject({ id: 99 });
    expect(lines(transport, "POST engagements/99")).toEqual(["POST engagements/99/reopen/"]);
  });
});

describe("two requests that meet in the database (409)", () => {
  const conflict: Reply = [409, { message: "any text at all" }];
  const wanted = { name: "Shop", description: "d", tags: [], productTypeId: 2 };

  it("make one product: what the other made is found", async () => {
    const { catalog, tables } = dojo({ findings: [], products: [] }, ({ method }) => {
      if (method !== "POST") return undefined;
      tables.products?.push({ id: 9, name: "Shop", prod_type: 2 });
      return conflict;
    });
    expect(await catalog.product(wanted)).toEqual({ id: 9, name: "Shop", productTypeId: 2 });
  });

  it("over something else create once more", async () => {
    let times = 0;
    const { catalog, transport } = dojo(
      { findings: [], products: [], product_types: [], engagements: [] },
      ({ method }) => (method === "POST" && ++times % 2 === 1 ? conflict : undefined),
    );
    expect(await catalog.product(wanted)).toMatchObject({ name: "Shop" });
    expect(await catalog.productType("New", true)).toMatchObject({ name: "New" });
    expect(lines(transport, "POST")).toEqual(
      Array(2).fill("POST products/").concat(Array(2).fill("POST product_types/")),
    );
  });

  it("for good are a conflict that the job's next try may mend", async () => {
    const { catalog, transport } = dojo({ findings: [], products: [] }, ({ method }) =>
      method === "POST" ? conflict : undefined,
    );
    expect(await relayErrorBy(() => catalog.product(wanted))).toMatchObject({
      reason: "dojo-conflict",
      errorClass: "transient",
    });
    expect(lines(transport, "POST")).toHaveLength(3);
  });
});

describe("environments", () => {
  const development_environments = () => [
    { id: 1, name: "Development" },
    { id: 3, name: "Production" },
  ];

  it.each(["Production", "production", " PRODUCTION"])("are found in any case: %s", async (name) => {
    const { catalog, transport } = dojo({ development_environments: development_environments() });
    expect(await catalog.environment(name)).toBe("Production");
    await catalog.environment(name);
    expect(transport.calls).toHaveLength(1);
  });

  it("that are not there name the annotation and the choices", async () => {
    const { catalog } = dojo({ development_environments: development_environments() });
    const error = await relayErrorBy(() => catalog.environment("Nowhere"));
    expect(error).toMatchObject({ reason: "sidecar-invalid", errorClass: "permanent" });
    expect(error.message).toBe(
      'annotation defectdojo.securecodebox.io/environment: DefectDojo has no environment "Nowhere"; it has Development, Production',
    );
  });

  it("that were added meanwhile are found", async () => {
    const { catalog, tables } = dojo({ development_environments: development_environments() });
    await catalog.environment("Production");
    tables.development_environments?.push({ id: 8, name: "Nowhere" });
    expect(await catalog.environment("nowhere")).toBe("Nowhere");
  });

  it("that the token may not see are sent as they are", async () => {
    const { catalog } = dojo({}, () => [403, { detail: "No." }]);
    expect(await catalog.environment("nowhere")).toBe("nowhere");
  });
});

describe("the orchestration link", () => {
  const wanted: EngagementWanted = {
    productId: 12,
    name: "nightly",
    version: "",
    tags: [],
    branchTag: "",
    deduplicateOnEngagement: false,
    leadId: 2,
    start: "2026-11-24",
    end: "2026-11-24",
    orchestrated: true,
  };
  const engagementOf = (transport: ReturnType<typeof dojo>["transport"]) =>
    transport.calls.find(({ method, path }) => method === "POST" && path === "engagements/")?.json as Row;

  it("of 3.x is a CI/CD infrastructure, made once", async () => {
    const { catalog, transport, tables } = dojo({ engagements: [], cicd_infrastructure: [] });
    await catalog.engagement(wanted);
    expect(engagementOf(transport).cicd_orchestration_engine).toBe(100);
    expect(tables.cicd_infrastructure).toEqual([
      expect.objectContaining({
        name: "secureCodeBox",
        url: "https://github.com/secureCodeBox",
        infrastructure_type: "orchestration",
      }),
    ]);
    await catalog.engagement({ ...wanted, name: "weekly" });
    expect(lines(transport, "GET cicd_infrastructure")).toHaveLength(1);
    expect(lines(transport, "POST cicd_infrastructure")).toHaveLength(1);
  });

  it("of 3.x is the one that is there", async () => {
    const cicd_infrastructure = [
      { id: 3, name: "secureCodeBox 2" },
      { id: 4, name: "secureCodeBox" },
    ];
    const { catalog, transport } = dojo({ engagements: [], cicd_infrastructure });
    await catalog.engagement(wanted);
    expect(engagementOf(transport).cicd_orchestration_engine).toBe(4);
    expect(lines(transport, "POST cicd_infrastructure")).toEqual([]);
  });

  it("of 2.x is a tool configuration of the tool type for it", async () => {
    const { catalog, transport, tables } = dojo({ engagements: [], tool_types: [], tool_configurations: [] });
    await catalog.engagement(wanted);
    expect(tables.tool_types).toEqual([
      expect.objectContaining({ id: 100, name: "Security Test Orchestration Engine" }),
    ]);
    expect(tables.tool_configurations).toEqual([
      expect.objectContaining({ id: 101, name: "secureCodeBox", tool_type: 100 }),
    ]);
    expect(engagementOf(transport)).toMatchObject({ orchestration_engine: 101 });
    expect(engagementOf(transport)).not.toHaveProperty("cicd_orchestration_engine");
  });

  it("of 2.x is the one that is there", async () => {
    const { catalog, transport } = dojo({
      engagements: [],
      tool_types: [{ id: 1, name: "Security Test Orchestration Engine" }],
      tool_configurations: [{ id: 8, name: "secureCodeBox" }],
    });
    await catalog.engagement(wanted);
    expect(engagementOf(transport)).toMatchObject({ orchestration_engine: 8 });
  });

  it("that the token may not see or make is left out", async () => {
    const { catalog, transport } = dojo({ engagements: [] }, ({ path }) =>
      path === "cicd_infrastructure/" ? [403, { detail: "No." }] : undefined,
    );
    expect(await catalog.engagement(wanted)).toMatchObject({ id: 100 });
    expect(Object.keys(engagementOf(transport)).filter((name) => name.includes("orchestration"))).toEqual([]);
  });

  it("is not asked for where it is not wanted, or the engagement is there", async () => {
    const there = dojo({
      engagements: [{ id: 5, name: "nightly", version: "", product: 12 }],
      cicd_infrastructure: [],
    });
    await there.catalog.engagement(wanted);
    const plain = dojo({ engagements: [], cicd_infrastructure: [] });
    await plain.catalog.engagement({ ...wanted, orchestrated: false });
    for (const { transport } of [there, plain]) expect(lines(transport, "GET cicd")).toEqual([]);
  });

  it("that fails is tried again next time", async () => {
    let times = 0;
    const { catalog } = dojo({ engagements: [], cicd_infrastructure: [] }, ({ path }) =>
      path === "cicd_infrastructure/" && ++times === 1 ? [500] : undefined,
    );
    expect(await relayErrorBy(() => catalog.engagement(wanted))).toMatchObject({ reason: "dojo-unavailable" });
    expect(await catalog.engagement(wanted)).toMatchObject({ name: "nightly" });
  });
});
