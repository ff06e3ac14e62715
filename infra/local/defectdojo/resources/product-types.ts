import { requireSuperuser, seesProductType } from "../auth.ts";
import { cleaned, type Fields } from "../fields.ts";
import { boolean, exact, filtered, number } from "../filters.ts";
import { type Call, fieldError, forbidden, notFound, type Reply } from "../http.ts";
import type { ProductType } from "../model.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

const FIELDS: Fields = {
  name: { kind: "text", required: true, maxLength: 255 },
  description: { kind: "text", nullable: true, blank: true, maxLength: 4000 },
  critical_product: { kind: "boolean" },
  key_product: { kind: "boolean" },
  authorized_users: { kind: "references" },
};

export function listProductTypes(state: State, call: Call): Reply {
  const rows = filtered<ProductType>(call, visible(state, call), {
    id: number((t) => t.id),
    name: exact((t) => t.name),
    critical_product: boolean((t) => t.critical_product),
    key_product: boolean((t) => t.key_product),
  });
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  return paged(call, rows, (row) => row, { prefetch: {} });
}

export function getProductType(state: State, call: Call): Reply {
  return { status: 200, body: { ...find(state, call), prefetch: {} } };
}

export function createProductType(state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  const fields = cleaned(call.body, FIELDS, false);
  refuseTakenName(state, fields.name, undefined);
  const type = addProductType(state, String(fields.name));
  Object.assign(type, fields);
  return { status: 201, body: type };
}

export function updateProductType(state: State, call: Call): Reply {
  const type = find(state, call);
  requireSuperuser(call.user, forbidden());
  const fields = cleaned(call.body, FIELDS, true);
  refuseTakenName(state, fields.name, type.id);
  Object.assign(type, fields, { updated: state.timestamp() });
  return { status: 200, body: type };
}

export function addProductType(state: State, name: string): ProductType {
  const type: ProductType = {
    id: state.nextId("productType"),
    created: state.timestamp(),
    updated: state.timestamp(),
    name,
    description: null,
    critical_product: false,
    key_product: false,
    authorized_users: [],
  };
  state.productTypes.set(type.id, type);
  return type;
}

function refuseTakenName(state: State, name: unknown, own: number | undefined): void {
  if ([...state.productTypes.values()].some((t) => t.name === name && t.id !== own)) {
    throw fieldError("name", "product_ type with this name already exists.", "unique");
  }
}

function visible(state: State, call: Call): ProductType[] {
  return [...state.productTypes.values()].filter((t) => seesProductType(call.user, t));
}

function find(state: State, call: Call): ProductType {
  const type = state.productTypes.get(call.ids[0] ?? 0);
  if (type === undefined || !seesProductType(call.user, type)) throw notFound("Product_Type");
  return type;
}
