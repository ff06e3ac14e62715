import type { Finding } from "../model.ts";
import { productOfTest, type State } from "../state.ts";

/** `related_fields=true`: the parent objects of a finding, up to the product type. */
export function relatedFields(state: State, { test }: Finding): object {
  const { id, title, branch_tag, build_id, commit_hash, version } = test;
  const engagement = state.engagements.get(test.engagement);
  const product = productOfTest(state, test);
  const named = (of: { id: number; name: string } | undefined) => of && { id: of.id, name: of.name };
  const environment = state.environments[(test.environment ?? 1) - 1] ?? "Development";
  return {
    test: {
      ...{ id, title, branch_tag, build_id, commit_hash, version },
      test_type: named(state.testTypes.get(test.test_type)),
      engagement: engagement && {
        id: engagement.id,
        name: engagement.name,
        description: engagement.description,
        product: product && { ...named(product), prod_type: named(state.productTypes.get(product.prod_type)) },
        target_start: engagement.target_start,
        target_end: engagement.target_end,
        branch_tag: engagement.branch_tag,
        engagement_type: engagement.engagement_type,
        build_id: engagement.build_id,
        commit_hash: engagement.commit_hash,
        version: engagement.version,
        created: engagement.created,
        updated: engagement.updated,
      },
      environment: { id: test.environment ?? 1, name: environment },
    },
    jira: null,
  };
}
