import * as z from "zod";
import { RelayError } from "../errors.ts";
import { dropUndefined } from "../model/scan.ts";
import type {
  Engagement,
  EngagementWanted,
  LimitedField,
  LimitedOptions,
  Named,
  Product,
  ProductWanted,
  User,
} from "../ports/defectdojo.ts";
import type { DojoApi } from "./api.ts";
import { createOrFind } from "./create-or-find.ts";
import { environmentNamed } from "./environments.ts";
import { orchestrationField } from "./orchestration.ts";
import { checkParameters, takesField } from "./parameters.ts";
import { remembered } from "./remembered.ts";
import { engagement, named, page, product, relatedProduct, user, userProfile } from "./schemas.ts";
import { hasTestType, testTypeNamed } from "./test-types.ts";

const LARGEST_PAGE = 250;

/**
 * The objects above a test: users, product types, products, engagements. Found ids are cached for a while, because the cost of requesting a
 * product grows with its history; the engagement is looked up each time, which shows that its product still exists.
 */
export function dojoCatalog(api: DojoApi) {
  const known = remembered();
  const { remember, forget } = known;
  /** Products created here whose engagements were never looked up: they have none. */
  const untouched = new Set<number>();

  return {
    forget: () => forget(),
    user: () => remember("user", async () => toUser((await api.get("user_profile/", {}, userProfile)).user)),
    blocksExecution: async () =>
      (await api.get("user_profile/", {}, userProfile)).user_contact_info?.block_execution === true,
    userNamed: (username: string) => remember(JSON.stringify(["user", username]), () => findUser(api, username)),
    productType: (wanted: string | number, mayCreate: boolean) =>
      remember(JSON.stringify(["product type", wanted]), () => findProductType(api, wanted, mayCreate)),
    product: (wanted: ProductWanted) =>
      remember(JSON.stringify(["product", wanted.name]), () => findProduct(api, wanted, untouched)),
    hasTestType: (name: string) => hasTestType(api, known, name),
    testType: (name: string) => testTypeNamed(api, known, name),
    checkParameters: (options: LimitedOptions) => checkParameters(api, known, options),
    takesField: (field: LimitedField) => takesField(api, known, field),
    environment: (name: string) => environmentNamed(api, known, name),
    engagement: (wanted: EngagementWanted) =>
      findEngagement(api, wanted, untouched.delete(wanted.productId), () =>
        remember("orchestration", () => orchestrationField(api)),
      ),
  };
}

async function findUser(api: DojoApi, username: string): Promise<User> {
  for await (const found of api.list("users/", { username }, user))
    if (found.username === username) return toUser(found);
  throw new RelayError("user-missing", `DefectDojo has no user ${JSON.stringify(username)}`, {
    object: `user ${username}`,
  });
}

async function findProductType(api: DojoApi, name: string | number, mayCreate: boolean): Promise<Named> {
  if (typeof name === "number") {
    const { status, body } = await api.transport.request("GET", `product_types/${name}/`, { expect: [403, 404] });
    const found = named.safeParse(body);
    if (status === 200 && found.success) return found.data;
    throw missingProductType(`with id ${name}`, "set the annotation product-type-name to one that it may use");
  }
  const find = async () => {
    for await (const found of api.list("product_types/", { name }, named)) if (found.name === name) return found;
    return undefined;
  };
  const found = await find();
  if (found !== undefined) return found;
  if (!mayCreate) throw missingProductType(JSON.stringify(name), "a low-privileged token may not create it");
  try {
    return await createOrFind(() => api.post("product_types/", { name }, named), find);
  } catch (error) {
    if (error instanceof RelayError && error.reason === "dojo-forbidden") {
      throw missingProductType(JSON.stringify(name), "the token may not create it: that requires a staff user", error);
    }
    throw error;
  }
}

function missingProductType(which: string, why: string, cause?: unknown): RelayError {
  const message = `product type ${which} does not exist for this token; ${why}`;
  return new RelayError("product-type-missing", message, { object: `product type ${which}`, cause });
}

/**
 * Product names are unique in DefectDojo, so the product is used whatever its product type.
 * A finding of the product gives its id at a constant cost; a product without findings is cheap to request itself.
 */
async function findProduct(
  api: DojoApi,
  { name, description, tags, productTypeId, businessCriticality }: ProductWanted,
  made: Set<number>,
): Promise<Product> {
  const query = { product_name: name, related_fields: true, limit: 1, o: "id" };
  const { results } = await api.get("findings/", query, page(z.unknown()));
  const related = relatedProduct.safeParse(results[0]);
  const found = related.success ? related.data.related_fields.test.engagement.product : undefined;
  if (found?.name === name) return { id: found.id, name, productTypeId: found.prod_type.id };
  const create = async () => {
    const created = await api.post(
      "products/",
      {
        ...{ name, description, prod_type: productTypeId, tags },
        ...dropUndefined({ business_criticality: businessCriticality }),
      },
      product,
    );
    made.add(created.id);
    return toProduct(created);
  };
  const find = async () => {
    for await (const found of api.list("products/", { name_exact: name }, product))
      if (found.name === name) return toProduct(found);
    return undefined;
  };
  return await createOrFind(create, find);
}

async function findEngagement(
  api: DojoApi,
  wanted: EngagementWanted,
  isFirst: boolean,
  orchestration: () => Promise<Record<string, number>>,
): Promise<Engagement> {
  const find = async () => {
    const query = {
      product: wanted.productId,
      name: wanted.name,
      ...(wanted.version === "" ? {} : { version: wanted.version }),
    };
    const found: z.output<typeof engagement>[] = [];
    for await (const one of api.list("engagements/", query, engagement, LARGEST_PAGE)) {
      if (one.name === wanted.name && one.version === wanted.version && one.product === wanted.productId)
        found.push(one);
    }
    return found.sort((a, b) => a.id - b.id)[0];
  };
  const existing = isFirst ? undefined : await find();
  if (existing !== undefined) {
    if (existing.active === false || existing.status === "Completed") {
      await api.transport.request("POST", `engagements/${existing.id}/reopen/`, { json: {} });
    }
    return toEngagement(existing);
  }
  const row = { ...engagementRow(wanted), ...(wanted.orchestrated ? await orchestration() : {}) };
  const created = await createOrFind(() => api.post("engagements/", row, engagement), find);
  // Engagements are not unique: of two created concurrently, everybody uses the older one.
  const first = (await find()) ?? created;
  if (first.id < created.id) {
    await api.transport.request("DELETE", `engagements/${created.id}/`, { expect: [403, 404] });
  }
  return { ...toEngagement(first), isNew: first.id === created.id };
}

/** As secureCodeBox's Java hook creates them: it finds only engagements without any of the four checklists. */
const engagementRow = (wanted: EngagementWanted) => ({
  product: wanted.productId,
  name: wanted.name,
  version: wanted.version,
  branch_tag: wanted.branchTag,
  lead: wanted.leadId,
  description: "",
  tags: wanted.tags,
  target_start: wanted.start,
  target_end: wanted.end,
  engagement_type: "CI/CD",
  status: "In Progress",
  deduplication_on_engagement: wanted.deduplicateOnEngagement,
  pen_test: false,
  threat_model: false,
  api_test: false,
  check_list: false,
  ...dropUndefined({ source_code_management_uri: wanted.sourceCodeManagementUri }),
});

const toUser = (raw: z.output<typeof user>): User => ({
  id: raw.id,
  username: raw.username,
  superuser: raw.is_superuser ?? false,
});
const toProduct = (raw: z.output<typeof product>): Product => ({
  id: raw.id,
  name: raw.name,
  productTypeId: raw.prod_type,
});
const toEngagement = (raw: z.output<typeof engagement>): Engagement => ({
  id: raw.id,
  name: raw.name,
  productId: raw.product,
});
