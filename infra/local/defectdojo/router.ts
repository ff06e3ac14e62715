import { type Call, detail, notAnId, type Reply } from "./http.ts";
import { importScan } from "./importing/import-scan.ts";
import { reimportScan } from "./importing/reimport-scan.ts";
import * as engagements from "./resources/engagements.ts";
import * as findings from "./resources/findings.ts";
import * as locations from "./resources/locations.ts";
import * as productTypes from "./resources/product-types.ts";
import * as products from "./resources/products.ts";
import { createRow, getRow, listRows, SIMPLE_TABLES, updateRow } from "./resources/simple-tables.ts";
import * as system from "./resources/system-settings.ts";
import * as imports from "./resources/test-imports.ts";
import * as testTypes from "./resources/test-types.ts";
import * as tests from "./resources/tests.ts";
import * as users from "./resources/users.ts";
import type { State } from "./state.ts";

type Handler = (state: State, call: Call) => Reply | Promise<Reply>;

export type Route = {
  methods: Record<string, Handler>;
  ids: number[];
  /** It accepts only a form as its body. */
  form: boolean;
};

type Row = { path: string; methods: Record<string, Handler>; form?: true; mode?: "locations" };

const ROUTES: readonly Row[] = [
  { path: "user_profile", methods: { GET: users.userProfile } },
  { path: "users", methods: { GET: users.listUsers } },
  { path: "product_types", methods: { GET: productTypes.listProductTypes, POST: productTypes.createProductType } },
  { path: "product_types/:id", methods: { GET: productTypes.getProductType, PATCH: productTypes.updateProductType } },
  { path: "products", methods: { GET: products.listProducts, POST: products.createProduct } },
  {
    path: "products/:id",
    methods: { GET: products.getProduct, PATCH: products.updateProduct, DELETE: products.deleteProduct },
  },
  { path: "engagements", methods: { GET: engagements.listEngagements, POST: engagements.createEngagement } },
  {
    path: "engagements/:id",
    methods: {
      GET: engagements.getEngagement,
      PATCH: engagements.updateEngagement,
      DELETE: engagements.deleteEngagement,
    },
  },
  { path: "engagements/:id/close", methods: { POST: engagements.closeEngagement } },
  { path: "engagements/:id/reopen", methods: { POST: engagements.reopenEngagement } },
  { path: "tests", methods: { GET: tests.listTests, POST: tests.createTest } },
  { path: "tests/:id", methods: { GET: tests.getTest, PATCH: tests.updateTest, DELETE: tests.deleteTest } },
  { path: "test_types", methods: { GET: testTypes.listTestTypes } },
  { path: "test_types/:id", methods: { GET: testTypes.getTestType } },
  { path: "development_environments", methods: { GET: testTypes.listEnvironments } },
  { path: "test_imports", methods: { GET: imports.listTestImports } },
  { path: "test_imports/:id", methods: { GET: imports.getTestImport } },
  { path: "system_settings", methods: { GET: system.listSystemSettings } },
  { path: "system_settings/:id", methods: { PATCH: system.updateSystemSettings } },
  { path: "findings", methods: { GET: findings.listFindings } },
  {
    path: "findings/:id",
    methods: { GET: findings.getFinding, PATCH: findings.updateFinding, DELETE: findings.deleteFinding },
  },
  { path: "findings/:id/close", methods: { POST: findings.closeFinding } },
  { path: "findings/:id/notes", methods: { POST: findings.noteFinding } },
  { path: "risk_acceptance", methods: { POST: findings.createRiskAcceptance } },
  { path: "endpoints", methods: { GET: locations.listEndpoints } },
  { path: "endpoints/:id", methods: { GET: locations.getEndpoint } },
  { path: "location", methods: { GET: locations.listLocations }, mode: "locations" },
  { path: "location/:id", methods: { GET: locations.getLocation }, mode: "locations" },
  { path: "url", methods: { GET: locations.listUrls }, mode: "locations" },
  { path: "url/:id", methods: { GET: locations.getUrl }, mode: "locations" },
  { path: "location_findings", methods: { GET: locations.listLocationFindings }, mode: "locations" },
  { path: "location_findings/:id", methods: { GET: locations.getLocationFinding }, mode: "locations" },
  { path: "import-scan", methods: { POST: importScan }, form: true },
  { path: "reimport-scan", methods: { POST: reimportScan }, form: true },
  ...Object.entries(SIMPLE_TABLES).flatMap(([path, table]): Row[] => [
    { path, methods: { GET: (s, c) => listRows(table, s, c), POST: (s, c) => createRow(table, s, c) } },
    { path: `${path}/:id`, methods: { GET: (s, c) => getRow(table, s, c), PATCH: (s, c) => updateRow(table, s, c) } },
  ]),
];

const COMPILED = ROUTES.map((row) => ({
  ...row,
  pattern: new RegExp(`^/${row.path.replaceAll(":id", "([^/.]+)")}/$`),
}));

/** The route for a path that ends with a slash. */
export function routeOf(state: State, path: string): Route | undefined {
  for (const row of COMPILED) {
    const match = row.pattern.exec(path);
    if (match === null || (row.mode !== undefined && row.mode !== state.settings.mode)) continue;
    if (state.settings.profile.missingPaths.includes(row.path.split("/", 1)[0] ?? "")) continue;
    return { methods: row.methods, form: row.form === true, ids: match.slice(1).map(Number) };
  }
  return undefined;
}

export function handle(state: State, route: Route, call: Call): Reply | Promise<Reply> {
  const handler = route.methods[call.method];
  if (handler === undefined) throw detail(405, `Method "${call.method}" not allowed.`);
  if (route.ids.some(Number.isNaN)) throw notAnId();
  return handler(state, call);
}
