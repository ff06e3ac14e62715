import { requireSuperuser, seesEngagement, seesProduct, seesProductType, seesTest } from "../auth.ts";
import { BOOLEANS } from "../fields.ts";
import { type Call, detail, forbidden, listError } from "../http.ts";
import type { Engagement, Product, Test } from "../model.ts";
import { addEngagement } from "../resources/engagements.ts";
import { addProductType } from "../resources/product-types.ts";
import { addProduct } from "../resources/products.ts";
import type { State } from "../state.ts";
import { field } from "./form.ts";

/** The engagement of an import, or undefined if it must be created; decided before any other check. */
export function engagementToImportInto(state: State, call: Call): Engagement | undefined {
  const id = idField(call, "engagement");
  const product = namedProduct(state, call);
  const name = field(call, "engagement_name");
  const engagement = id === undefined ? newestEngagement(state, product, name) : state.engagements.get(id);
  if (engagement !== undefined) {
    if (!seesEngagement(state, call.user, engagement)) throw forbidden();
    return engagement;
  }
  if (id !== undefined) throw listError(`Engagement "${id}" does not exist`);
  requireNames(state, call, product, undefined);
  return undefined;
}

/** The test of a reimport, or undefined if it must be created. */
export function testToReimportInto(state: State, call: Call): Test | undefined {
  const id = idField(call, "test");
  const product = namedProduct(state, call);
  const engagement = newestEngagement(state, product, field(call, "engagement_name"));
  const test = id === undefined ? newestTest(state, call, engagement) : state.tests.get(id);
  if (test !== undefined) {
    if (!seesTest(state, call.user, test)) throw forbidden();
    return test;
  }
  if (id !== undefined) throw listError(`Test "${id}" does not exist`);
  requireNames(state, call, product, engagement);
  return undefined;
}

/** Implements `auto_create_context`, which matches the engagement only by name. */
export function madeEngagement(state: State, call: Call): Engagement {
  const typeName = field(call, "product_type_name") ?? "";
  const productName = field(call, "product_name") ?? "";
  const type = [...state.productTypes.values()].find((t) => t.name === typeName);
  const product =
    namedProduct(state, call) ??
    addProduct(state, productName, productName, (type ?? addProductType(state, typeName)).id);
  const name = field(call, "engagement_name") ?? null;
  const known = newestEngagement(state, product, name ?? undefined);
  if (known !== undefined) return known;
  const inAYear = new Date(state.settings.now().getTime() + 365 * 86_400_000).toISOString().slice(0, 10);
  return addEngagement(state, {
    name,
    product: product.id,
    target_start: state.today(),
    target_end: inAYear,
    status: "In Progress",
    engagement_type: "CI/CD",
    lead: call.user.id,
    deduplication_on_engagement: BOOLEANS[field(call, "deduplication_on_engagement") ?? ""] === true,
    source_code_management_uri: field(call, "source_code_management_uri") ?? null,
  });
}

function idField(call: Call, name: string): number | undefined {
  const value = field(call, name);
  if (value === undefined || value === "") return undefined;
  if (!/^\d+$/.test(value)) throw listError(`${name} must be an integer`);
  return Number(value);
}

function namedProduct(state: State, call: Call): Product | undefined {
  const name = field(call, "product_name");
  const product = [...state.products.values()].find((p) => p.name === name);
  const wanted = field(call, "product_type_name");
  const actual = state.productTypes.get(product?.prod_type ?? 0)?.name;
  if (product !== undefined && wanted !== undefined && wanted !== actual) {
    throw listError(
      `The fetched product has a conflict with the supplied product type name: existing product type name - ${actual} vs supplied product type name - ${wanted}`,
    );
  }
  return product;
}

function newestEngagement(
  state: State,
  product: Product | undefined,
  name: string | undefined,
): Engagement | undefined {
  if (product === undefined) return undefined;
  return [...state.engagements.values()].findLast((e) => e.product === product.id && e.name === (name ?? null));
}

function newestTest(state: State, call: Call, engagement: Engagement | undefined): Test | undefined {
  const [title, scanType] = [field(call, "test_title"), field(call, "scan_type")];
  return [...state.tests.values()].findLast(
    (t) => t.engagement === engagement?.id && t.scan_type === scanType && (title === undefined || t.title === title),
  );
}

/** Without a target id, names are required; either all of them exist or the user may create the missing ones. */
function requireNames(
  state: State,
  call: Call,
  product: Product | undefined,
  engagement: Engagement | undefined,
): void {
  const [productName, engagementName] = [field(call, "product_name"), field(call, "engagement_name")];
  if (productName === undefined) throw listError("product_name parameter missing");
  if (engagementName === undefined) throw listError("engagement_name parameter missing");
  if (BOOLEANS[field(call, "auto_create_context") ?? ""] !== true)
    throw listError(missing(state, call, product, engagement));
  if (product !== undefined) {
    if (!seesProduct(state, call.user, product)) {
      throw detail(403, `No permission to create engagements in product "${productName}"`);
    }
    return;
  }
  const typeName = field(call, "product_type_name");
  if (typeName === undefined) {
    throw listError(
      `Product "${productName}" does not exist and no product_type_name provided to create the new product in`,
    );
  }
  const type = [...state.productTypes.values()].find((t) => t.name === typeName);
  if (type === undefined)
    requireSuperuser(call.user, detail(403, `No permission to create product_type "${typeName}"`));
  else if (!seesProductType(call.user, type)) {
    throw detail(403, `No permission to create products in product_type "${typeName}"`);
  }
}

function missing(state: State, call: Call, product: Product | undefined, engagement: Engagement | undefined): string {
  const [typeName, productName, engagementName] = ["product_type_name", "product_name", "engagement_name"].map((name) =>
    field(call, name),
  );
  const typeExists = [...state.productTypes.values()].some((type) => type.name === typeName);
  if (typeName !== undefined && !typeExists) return `Product Type "${typeName}" does not exist`;
  if (product === undefined) {
    return `Product "${productName}" does not exist${typeName === undefined ? "" : ` in Product_Type "${typeName}"`}`;
  }
  if (engagement === undefined) return `Engagement "${engagementName}" does not exist in Product "${productName}"`;
  const title = field(call, "test_title");
  const test = title === undefined ? "Test" : `Test "${title}"`;
  return `${test} with scan_type "${field(call, "scan_type")}" does not exist in Engagement "${engagementName}"`;
}
