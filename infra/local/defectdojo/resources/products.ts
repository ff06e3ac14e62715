import { requireSuperuser, seesProduct, seesProductType } from "../auth.ts";
import { cleaned, type Fields } from "../fields.ts";
import { contains, exactIgnoringCase, filtered, numberIn } from "../filters.ts";
import { type Call, detail, fieldError, forbidden, notFound, type Reply } from "../http.ts";
import { removeProduct } from "../importing/remove.ts";
import { type Finding, type Product, SEVERITIES } from "../model.ts";
import { paged } from "../paging.ts";
import { findingsOfProduct, type State } from "../state.ts";

const FIELDS: Fields = {
  tags: { kind: "tags" },
  name: { kind: "text", required: true, maxLength: 255 },
  description: { kind: "text", required: true, maxLength: 4000 },
  prod_type: { kind: "reference", required: true },
  authorized_users: { kind: "references" },
};

/** Columns that the stand-in never reads. */
const REST: Fields = {
  business_criticality: { kind: "text", nullable: true, blank: true },
  platform: { kind: "text", nullable: true, blank: true },
  lifecycle: { kind: "text", nullable: true, blank: true },
  origin: { kind: "text", nullable: true, blank: true },
  external_audience: { kind: "boolean" },
  internet_accessible: { kind: "boolean" },
  enable_simple_risk_acceptance: { kind: "boolean" },
  enable_full_risk_acceptance: { kind: "boolean" },
};

const REST_DEFAULTS = {
  business_criticality: null,
  platform: null,
  lifecycle: null,
  origin: null,
  product_meta: [],
  prod_numeric_grade: null,
  user_records: null,
  revenue: null,
  external_audience: false,
  internet_accessible: false,
  enable_product_tag_inheritance: false,
  enable_simple_risk_acceptance: false,
  enable_full_risk_acceptance: true,
  disable_sla_breach_notifications: false,
  product_manager: null,
  technical_contact: null,
  team_manager: null,
  sla_configuration: 1,
  regulations: [],
};

export function listProducts(state: State, call: Call): Reply {
  const visible = [...state.products.values()].filter((p) => seesProduct(state, call.user, p));
  const rows = filtered<Product>(call, visible, {
    id: numberIn((p) => p.id),
    name: contains((p) => p.name),
    name_exact: exactIgnoringCase((p) => p.name),
    description: contains((p) => p.description),
    prod_type: numberIn((p) => p.prod_type),
  });
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  return paged(call, rows, (row) => serialize(state, row), { prefetch: {} });
}

export function getProduct(state: State, call: Call): Reply {
  return { status: 200, body: { ...serialize(state, find(state, call)), prefetch: {} } };
}

export function createProduct(state: State, call: Call): Reply {
  const typeId = (call.body as Record<string, unknown> | undefined)?.prod_type;
  if (typeId === undefined || typeId === null) {
    throw detail(400, "Unable to check for permissions: Attribute 'prod_type' is required");
  }
  const type = state.productTypes.get(Number(typeId));
  if (type === undefined) throw notFound("Product_Type");
  if (!seesProductType(call.user, type)) throw forbidden();
  const fields = cleaned(call.body, FIELDS, false);
  refuseTakenName(state, fields.name, undefined);
  const product = addProduct(state, String(fields.name), String(fields.description), type.id);
  Object.assign(product, fields);
  Object.assign(product.rest, cleaned(call.body, REST, true));
  return { status: 201, body: serialize(state, product) };
}

export function updateProduct(state: State, call: Call): Reply {
  const product = find(state, call);
  const fields = cleaned(call.body, FIELDS, true);
  refuseTakenName(state, fields.name, product.id);
  Object.assign(product, fields);
  Object.assign(product.rest, cleaned(call.body, REST, true));
  return { status: 200, body: serialize(state, product) };
}

export function deleteProduct(state: State, call: Call): Reply {
  const product = find(state, call);
  requireSuperuser(call.user, forbidden());
  removeProduct(state, product.id);
  return { status: 204 };
}

export function addProduct(state: State, name: string, description: string, type: number): Product {
  const product: Product = {
    id: state.nextId("product"),
    created: state.timestamp(),
    name,
    description,
    prod_type: type,
    authorized_users: [],
    tags: [],
    rest: { ...REST_DEFAULTS },
  };
  state.products.set(product.id, product);
  return product;
}

/** Includes every active finding: a request for a large product is expensive. */
function serialize(state: State, product: Product): object {
  const active = findingsOfProduct(state, product.id)
    .filter((f) => f.active)
    .sort(bySeverityThenDate);
  const { rest, ...columns } = product;
  return { ...columns, ...rest, findings_count: active.length, findings_list: active.map((f) => f.id) };
}

function bySeverityThenDate(a: Finding, b: Finding): number {
  const severity = SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity);
  if (severity !== 0) return severity;
  if (a.date !== b.date) return a.date > b.date ? -1 : 1;
  return a.title === b.title ? a.id - b.id : a.title < b.title ? -1 : 1;
}

function refuseTakenName(state: State, name: unknown, own: number | undefined): void {
  if ([...state.products.values()].some((p) => p.name === name && p.id !== own)) {
    throw fieldError("name", "product with this name already exists.", "unique");
  }
}

function find(state: State, call: Call): Product {
  const product = state.products.get(call.ids[0] ?? 0);
  if (product === undefined || !seesProduct(state, call.user, product)) throw notFound("Product");
  return product;
}
