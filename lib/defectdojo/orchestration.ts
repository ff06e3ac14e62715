import { RelayError } from "../errors.ts";
import type { DojoApi } from "./api.ts";
import { createOrFind } from "./create-or-find.ts";
import { named, page } from "./schemas.ts";

const ORCHESTRATOR = {
  name: "secureCodeBox",
  url: "https://github.com/secureCodeBox",
  description:
    "secureCodeBox is a kubernetes based, modularized toolchain for continuous security scans of your software project.",
};
const TOOL_TYPE = "Security Test Orchestration Engine";

/**
 * The field and id by which an engagement names its orchestration engine: different in 3.x and 2.x. Empty if the token may not see
 * or create it: a missing link must not prevent the import.
 */
export async function orchestrationField(api: DojoApi): Promise<Record<string, number>> {
  try {
    return (await cicdEngine(api)) ?? (await toolConfiguration(api));
  } catch (error) {
    if (error instanceof RelayError && error.reason === "dojo-forbidden") return {};
    throw error;
  }
}

/** 3.x; undefined if the path does not exist. */
async function cicdEngine(api: DojoApi): Promise<Record<string, number> | undefined> {
  const { name, url, description } = ORCHESTRATOR;
  const query = [["name", name]] as const;
  const listed = await api.transport.request("GET", "cicd_infrastructure/", { query, expect: [404] });
  if (listed.status === 404) return undefined;
  const found = page(named).safeParse(listed.body);
  const known = found.success ? found.data.results.find((one) => one.name === name) : undefined;
  const wanted = { name, description, url, infrastructure_type: "orchestration" };
  const create = () => api.post("cicd_infrastructure/", wanted, named);
  const engine = known ?? (await createOrFind(create, () => findNamed(api, "cicd_infrastructure/", name)));
  return { cicd_orchestration_engine: engine.id };
}

/** 2.x */
async function toolConfiguration(api: DojoApi): Promise<Record<string, number>> {
  const { name, url, description } = ORCHESTRATOR;
  const findOrCreate = async (path: string, wanted: { name: string; [field: string]: unknown }) => {
    const find = () => findNamed(api, path, wanted.name);
    return (await find()) ?? (await createOrFind(() => api.post(path, wanted, named), find));
  };
  const type = await findOrCreate("tool_types/", { name: TOOL_TYPE, description: TOOL_TYPE });
  const tool = await findOrCreate("tool_configurations/", { name, description, url, tool_type: type.id });
  return { orchestration_engine: tool.id };
}

async function findNamed(api: DojoApi, path: string, name: string) {
  for await (const found of api.list(path, { name }, named)) if (found.name === name) return found;
  return undefined;
}
