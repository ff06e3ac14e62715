import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, engagementOf, type Server, type Who, type World } from "./defectdojo-client.ts";

type Row = {
  it: string;
  as?: Who;
  ask: (world: World) => [method: string, path: string, body?: unknown];
  status: number;
  /** Parts of the answer. */
  answer?: (world: World) => object;
};

const page = (count: number, results: unknown[]) => ({ count, next: null, previous: null, results });
const missing = (name: string) => ({ [name]: ["This field is required."] });
const badChoice = "Select a valid choice. That choice is not one of the available choices.";
const noPermission = () => ({ detail: "You do not have permission to perform this action." });

const ROWS: Row[] = [
  {
    it: "tells a user who they are",
    ask: () => ["GET", "/user_profile/"],
    status: 200,
    answer: () => ({ user: { id: expect.any(Number), username: expect.any(String), is_superuser: true } }),
  },
  {
    it: "answers 403 to a missing token",
    as: "nobody",
    ask: () => ["GET", "/user_profile/"],
    status: 403,
    answer: () => ({ detail: "Authentication credentials were not provided." }),
  },
  {
    it: "answers 403 to a wrong token",
    as: "unknown",
    ask: () => ["GET", "/user_profile/"],
    status: 403,
    answer: () => ({ detail: "Invalid token." }),
  },
  {
    it: "does not take other methods",
    ask: () => ["DELETE", "/user_profile/"],
    status: 405,
    answer: () => ({ detail: 'Method "DELETE" not allowed.' }),
  },
  {
    it: "answers 404 to an id that is no number",
    ask: () => ["GET", "/findings/abc/"],
    status: 404,
    answer: () => ({ detail: "Not found." }),
  },

  {
    it: "finds a product type by its exact name",
    ask: (w) => ["GET", `/product_types/?name=Type%20${w.run}`],
    status: 200,
    answer: (w) => page(1, [{ id: w.productType, name: `Type ${w.run}` }]),
  },
  {
    it: "finds no product type by a part of its name",
    ask: (w) => ["GET", `/product_types/?name=${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "gets a product type",
    ask: (w) => ["GET", `/product_types/${w.productType}/`],
    status: 200,
    answer: (w) => ({ id: w.productType, authorized_users: [] }),
  },
  {
    it: "refuses a product type twice",
    ask: (w) => ["POST", "/product_types/", { name: `Type ${w.run}` }],
    status: 400,
    answer: () => ({ name: ["product_ type with this name already exists."] }),
  },
  {
    it: "refuses a product type without a name",
    ask: () => ["POST", "/product_types/", {}],
    status: 400,
    answer: () => missing("name"),
  },
  {
    it: "knows no such product type",
    ask: () => ["GET", "/product_types/99999999/"],
    status: 404,
    answer: () => ({ detail: "No Product_Type matches the given query." }),
  },

  {
    it: "finds a product by its name in any case",
    ask: (w) => ["GET", `/products/?name_exact=PRODUCT%20${w.run}`],
    status: 200,
    answer: (w) =>
      page(1, [
        {
          id: w.product,
          name: `Product ${w.run}`,
          prod_type: w.productType,
          findings_list: expect.any(Array),
          tags: [],
        },
      ]),
  },
  {
    it: "finds a product by a part of its name",
    ask: (w) => ["GET", `/products/?name=duct%20${w.run}`],
    status: 200,
    answer: (w) => page(1, [{ id: w.product }]),
  },
  {
    it: "finds no product by a part of its exact name",
    ask: (w) => ["GET", `/products/?name_exact=duct%20${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "refuses a product twice",
    ask: (w) => ["POST", "/products/", { name: `Product ${w.run}`, description: "x", prod_type: w.productType }],
    status: 400,
    answer: () => ({ name: ["product with this name already exists."] }),
  },
  {
    it: "refuses a product without a description",
    ask: (w) => ["POST", "/products/", { name: `P ${w.run}`, description: "", prod_type: w.productType }],
    status: 400,
    answer: () => ({ description: ["This field may not be blank."] }),
  },
  {
    it: "refuses a product without a type",
    ask: (w) => ["POST", "/products/", { name: `P ${w.run}`, description: "x" }],
    status: 400,
    answer: () => ({ detail: "Unable to check for permissions: Attribute 'prod_type' is required" }),
  },
  {
    it: "refuses a product of no such type",
    ask: (w) => ["POST", "/products/", { name: `P ${w.run}`, description: "x", prod_type: 99_999_999 }],
    status: 404,
    answer: () => ({ detail: "No Product_Type matches the given query." }),
  },
  {
    it: "refuses a name that is too long",
    ask: (w) => ["POST", "/products/", { name: "p".repeat(256), description: "x", prod_type: w.productType }],
    status: 400,
    answer: () => ({ name: ["Ensure this field has no more than 255 characters."] }),
  },
  {
    it: "refuses tags with spaces",
    ask: (w) => ["PATCH", `/products/${w.product}/`, { tags: ["two words"] }],
    status: 400,
    answer: () => ({ tags: ["Invalid tag: 'two words'. Tags should not contain spaces, commas, or quotes."] }),
  },

  {
    it: "finds engagements by exact name and version",
    ask: (w) => ["GET", `/engagements/?product=${w.product}&name=nightly&version=1`],
    status: 200,
    answer: (w) => page(1, [{ id: w.engagement, name: "nightly", version: "1", status: "Not Started", active: true }]),
  },
  {
    it: "finds no engagement by a part of its name",
    ask: (w) => ["GET", `/engagements/?product=${w.product}&name=night`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "refuses to look in no such product",
    ask: () => ["GET", "/engagements/?product=99999999"],
    status: 400,
    answer: () => ({ product: [badChoice] }),
  },
  {
    it: "refuses an engagement that ends before it starts",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), target_end: "2025-01-01" }],
    status: 400,
    answer: () => ({ non_field_errors: ["Your target start date exceeds your target end date"] }),
  },
  {
    it: "refuses an engagement without dates",
    ask: (w) => ["POST", "/engagements/", { name: "x", product: w.product }],
    status: 400,
    answer: () => ({ ...missing("target_start"), ...missing("target_end") }),
  },
  {
    it: "refuses an engagement with a time for a date",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), target_start: "2026-01-01T00:00:00Z" }],
    status: 400,
    answer: () => ({ target_start: ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."] }),
  },
  {
    it: "refuses an engagement with an unknown lead",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), lead: 99_999_999 }],
    status: 400,
    answer: () => ({ lead: ['Invalid pk "99999999" - object does not exist.'] }),
  },
  {
    it: "refuses an engagement with an unknown status",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), status: "Nope" }],
    status: 400,
    answer: () => ({ status: ['"Nope" is not a valid choice.'] }),
  },
  {
    it: "changes an engagement",
    ask: (w) => ["PATCH", `/engagements/${w.engagement}/`, { description: "changed", target_end: "2026-02-01" }],
    status: 200,
    answer: (w) => ({ id: w.engagement, description: "changed", target_end: "2026-02-01" }),
  },
  { it: "closes an engagement", ask: (w) => ["POST", `/engagements/${w.engagement}/close/`], status: 200 },
  {
    it: "shows a closed engagement as completed",
    ask: (w) => ["GET", `/engagements/${w.engagement}/`],
    status: 200,
    answer: () => ({ active: false, status: "Completed" }),
  },
  { it: "reopens an engagement", ask: (w) => ["POST", `/engagements/${w.engagement}/reopen/`], status: 200 },
  {
    it: "shows a reopened engagement in progress",
    ask: (w) => ["GET", `/engagements/${w.engagement}/`],
    status: 200,
    answer: () => ({ active: true, status: "In Progress" }),
  },

  {
    it: "finds a test type by its exact name",
    ask: () => ["GET", "/test_types/?name=ZAP%20Scan"],
    status: 200,
    answer: () => page(1, [{ id: expect.any(Number), name: "ZAP Scan" }]),
  },
  {
    it: "minds the case of a test type's name",
    ask: () => ["GET", "/test_types/?name=zap%20scan"],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "shows the system settings",
    ask: () => ["GET", "/system_settings/"],
    status: 200,
    answer: () => page(1, [{ enable_deduplication: expect.any(Boolean) }]),
  },
  {
    it: "finds users by name",
    ask: () => ["GET", "/users/?username=nobody%20of%20that%20name"],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "creates CI/CD infrastructure",
    ask: (w) => ["POST", "/cicd_infrastructure/", { name: `CI ${w.run}`, infrastructure_type: "orchestration" }],
    status: 201,
    answer: () => ({ id: expect.any(Number), url: "", description: "" }),
  },
  {
    it: "refuses CI/CD infrastructure twice",
    ask: (w) => ["POST", "/cicd_infrastructure/", { name: `CI ${w.run}`, infrastructure_type: "orchestration" }],
    status: 400,
    answer: () => ({ non_field_errors: ["The fields name, infrastructure_type must make a unique set."] }),
  },
  {
    it: "finds CI/CD infrastructure by name",
    ask: (w) => ["GET", `/cicd_infrastructure/?name=CI%20${w.run}`],
    status: 200,
    answer: (w) => page(1, [{ name: `CI ${w.run}` }]),
  },
  {
    it: "finds no tool types by a made-up name",
    ask: (w) => ["GET", `/tool_types/?name=${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "finds no tool configurations by a made-up name",
    ask: (w) => ["GET", `/tool_configurations/?name=${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "finds no tests by a made-up build id",
    ask: (w) => ["GET", `/tests/?build_id=none-${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "finds no imports by a made-up build id",
    ask: (w) => ["GET", `/test_imports/?build_id=none-${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
];

const LOW_PRIVILEGED: Row[] = [
  {
    it: "may see who it is",
    ask: () => ["GET", "/user_profile/"],
    status: 200,
    answer: () => ({ user: { is_superuser: false } }),
  },
  { it: "may not list users", ask: () => ["GET", "/users/"], status: 403, answer: noPermission },
  { it: "may not see the system settings", ask: () => ["GET", "/system_settings/"], status: 403, answer: noPermission },
  { it: "may not see tool types", ask: () => ["GET", "/tool_types/"], status: 403, answer: noPermission },
  {
    it: "may not see tool configurations",
    ask: () => ["GET", "/tool_configurations/"],
    status: 403,
    answer: noPermission,
  },
  { it: "may see CI/CD infrastructure", ask: () => ["GET", "/cicd_infrastructure/?name=x"], status: 200 },
  {
    it: "may not create CI/CD infrastructure",
    ask: (w) => ["POST", "/cicd_infrastructure/", { name: `L ${w.run}`, infrastructure_type: "orchestration" }],
    status: 403,
    answer: noPermission,
  },
  {
    it: "may see test types",
    ask: () => ["GET", "/test_types/?name=ZAP%20Scan"],
    status: 200,
    answer: () => page(1, [{ name: "ZAP Scan" }]),
  },
  {
    it: "may not create product types",
    ask: (w) => ["POST", "/product_types/", { name: `L ${w.run}` }],
    status: 403,
    answer: noPermission,
  },
  { it: "does not see another's product type", ask: (w) => ["GET", `/product_types/${w.productType}/`], status: 404 },
  {
    it: "does not find another's product",
    ask: (w) => ["GET", `/products/?name_exact=Product%20${w.run}`],
    status: 200,
    answer: () => page(0, []),
  },
  { it: "does not see another's product", ask: (w) => ["GET", `/products/${w.product}/`], status: 404 },
  {
    it: "may not create a product in another's type",
    ask: (w) => ["POST", "/products/", { name: `L ${w.run}`, description: "x", prod_type: w.productType }],
    status: 403,
    answer: noPermission,
  },
  {
    it: "finds no engagements in another's product",
    ask: (w) => ["GET", `/engagements/?product=${w.product}`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "may not create an engagement in another's product",
    ask: (w) => ["POST", "/engagements/", engagementOf(w.product)],
    status: 403,
    answer: noPermission,
  },
  {
    it: "may not change another's engagement",
    ask: (w) => ["PATCH", `/engagements/${w.engagement}/`, { version: "x" }],
    status: 404,
  },
  {
    it: "may change an engagement of its own",
    ask: (w) => ["PATCH", `/engagements/${w.own?.engagement}/`, { version: "2" }],
    status: 200,
    answer: () => ({ version: "2" }),
  },
  {
    it: "may close an engagement of its own",
    ask: (w) => ["POST", `/engagements/${w.own?.engagement}/close/`],
    status: 200,
  },
];

/** What the server answers about everything but reports and findings. */
export function objectsContract(server: () => Promise<Server>, hasLowPrivileged: boolean): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });

  const check = async (row: Row, as: Who) => {
    const [method, path, body] = row.ask(world);
    const answer = await world.client.request(method, path, body, row.as ?? as);
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status: row.status,
      body: row.answer?.(world) ?? expect.anything(),
    });
  };

  it.each(ROWS)("$it", (row) => check(row, "admin"));

  describe.skipIf(!hasLowPrivileged)("a low-privileged user", () => {
    it.each(LOW_PRIVILEGED)("$it", (row) => check(row, "low-privileged"));
  });

  it("answers an unknown path with an HTML page", async () => {
    const answer = await world.client.request("GET", "/nope/");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
    expect(answer.text).toContain("<!DOCTYPE html>");
  });

  it("sends a path without its trailing slash on, with its query", async () => {
    const answer = await world.client.request("GET", "/products?name=x&limit=1");
    expect([answer.status, answer.headers.get("location")]).toEqual([301, "/api/v2/products/?name=x&limit=1"]);
  });

  it("refuses JSON that is none", async () => {
    const response = await fetch(`${world.client.server.url}/api/v2/product_types/`, {
      method: "POST",
      headers: { Authorization: `Token ${world.client.server.apiKey}`, "Content-Type": "application/json" },
      body: "{",
    });
    expect([response.status, await response.json()]).toEqual([400, { message: "JSON request content is malformed" }]);
  });
}
