import { beforeAll, it } from "vitest";
import { createWorld, engagementOf, type Server, type World } from "./defectdojo-client.ts";
import { checkRow, NOT_THERE, page, type Row } from "./defectdojo-row.ts";

const noPermission = () => ({ detail: "You do not have permission to perform this action." });

const ROWS: Row[] = [
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
  {
    it: "may see CI/CD infrastructure",
    ask: () => ["GET", "/cicd_infrastructure/?name=x"],
    status: 200,
    other: NOT_THERE,
  },
  {
    it: "may not create CI/CD infrastructure",
    ask: (w) => ["POST", "/cicd_infrastructure/", { name: `L ${w.run}`, infrastructure_type: "orchestration" }],
    status: 403,
    answer: noPermission,
    other: NOT_THERE,
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

/** The permissions of a user who is authorized for a product type but not a superuser. */
export function rightsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });

  it.each(ROWS)("$it", (row) => checkRow(world, row, "low-privileged"));
}
