import { beforeAll, expect, it } from "vitest";
import { createWorld, type Server, type World } from "./defectdojo-client.ts";
import { checkRow, NOT_THERE, on2x, page, type Row } from "./defectdojo-row.ts";

const missing = (name: string) => ({ [name]: ["This field is required."] });
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
    other: on2x({ status: 200, answer: (w) => ({ id: w.productType, authorization_groups: [] }) }),
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
    other: { "2.34": { status: 404, answer: () => ({ message: "No Product_Type matches the given query." }) } },
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
    other: { "2.34": { status: 404, answer: () => ({ message: "No Product_Type matches the given query." }) } },
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
    it: "lists the test types, more than a page of them",
    ask: () => ["GET", "/test_types/?limit=2&offset=2"],
    status: 200,
    answer: () => ({
      count: expect.any(Number),
      results: [{ name: expect.any(String) }, { name: expect.any(String) }],
    }),
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
    other: NOT_THERE,
  },
  {
    it: "refuses CI/CD infrastructure twice",
    ask: (w) => ["POST", "/cicd_infrastructure/", { name: `CI ${w.run}`, infrastructure_type: "orchestration" }],
    status: 400,
    answer: () => ({ non_field_errors: ["The fields name, infrastructure_type must make a unique set."] }),
    other: NOT_THERE,
  },
  {
    it: "finds CI/CD infrastructure by name",
    ask: (w) => ["GET", `/cicd_infrastructure/?name=CI%20${w.run}`],
    status: 200,
    answer: (w) => page(1, [{ name: `CI ${w.run}` }]),
    other: NOT_THERE,
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

/** Responses about everything except reports and findings. */
export function objectsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });

  it.each(ROWS)("$it", (row) => checkRow(world, row, "admin"));

  it("returns an HTML page for an unknown path", async () => {
    const answer = await world.client.request("GET", "/nope/");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
    expect(answer.text).toContain("<!DOCTYPE html>");
  });

  it("redirects a path without a trailing slash, with its query", async () => {
    const answer = await world.client.request("GET", "/products?name=x&limit=1");
    expect([answer.status, answer.headers.get("location")]).toEqual([301, "/api/v2/products/?name=x&limit=1"]);
  });

  it("rejects invalid JSON", async () => {
    const response = await fetch(`${world.client.server.url}/api/v2/product_types/`, {
      method: "POST",
      headers: { Authorization: `Token ${world.client.server.apiKey}`, "Content-Type": "application/json" },
      body: "{",
    });
    expect([response.status, await response.json()]).toEqual([400, { message: "JSON request content is malformed" }]);
  });
}
