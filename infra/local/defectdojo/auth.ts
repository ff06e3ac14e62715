import { detail, type Refusal } from "./http.ts";
import type { Engagement, Product, ProductType, Test, User } from "./model.ts";
import { productOfTest, type State } from "./state.ts";

/** The user of an Authorization header. In DefectDojo a wrong or missing token is 403, not 401. */
export function authenticate(state: State, header: string | undefined): User {
  const parts = (header ?? "").trim().split(/\s+/);
  if (parts[0]?.toLowerCase() !== "token") throw detail(403, "Authentication credentials were not provided.");
  if (parts.length === 1) throw detail(403, "Invalid token header. No credentials provided.");
  if (parts.length > 2) throw detail(403, "Invalid token header. Token string should not contain spaces.");
  const id = state.tokens.get(parts[1] ?? "");
  const user = state.users.find((u) => u.id === id);
  if (user === undefined) throw detail(403, "Invalid token.");
  return user;
}

export function requireSuperuser(user: User, refusal: Refusal): void {
  if (!user.is_superuser) throw refusal;
}

export function seesProductType(user: User, type: ProductType): boolean {
  return user.is_superuser || type.authorized_users.includes(user.id);
}

/** The right to view, add and import is the same: the user is authorized for the product or its product type. */
export function seesProduct(state: State, user: User, product: Product): boolean {
  if (user.is_superuser || product.authorized_users.includes(user.id)) return true;
  const type = state.productTypes.get(product.prod_type);
  return type !== undefined && seesProductType(user, type);
}

export function seesEngagement(state: State, user: User, engagement: Engagement): boolean {
  const product = state.products.get(engagement.product);
  return product !== undefined && seesProduct(state, user, product);
}

export function seesTest(state: State, user: User, test: Test): boolean {
  if (user.is_superuser) return true;
  const product = productOfTest(state, test);
  return product !== undefined && seesProduct(state, user, product);
}
