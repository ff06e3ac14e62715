import { createClient, type Server, type Who } from "./defectdojo-client.ts";
import type { Bind, Exchange } from "./replay.ts";

/** A recording and its time, on which dates of findings and responses depend. */
export type Recording = { file: string; profile: string; at: string; prepare?: Prepare };

/** Creates what existed on the recorded server before the exchange, or changed unrecorded since the previous one. */
export type Prepare = (world: Preparation, exchange: Exchange, before: readonly Exchange[]) => Promise<void>;

export type Preparation = { server: Server; bind: Bind };

export const RECORDINGS: readonly Recording[] = [
  { file: "recorded-3.2-locations.json", profile: "3.2-locations", at: "2026-11-24T16:56:00Z" },
  { file: "recorded-3.2-endpoints.json", profile: "3.2-endpoints", at: "2026-11-24T16:56:00Z" },
  { file: "recorded-2.58.json", profile: "2.58", at: "2026-11-25T11:00:00Z", prepare: prepare2x },
  { file: "recorded-2.34.json", profile: "2.34", at: "2026-11-25T11:08:00Z", prepare: prepare2x },
  { file: "recorded-more-3.2-locations.json", profile: "3.2-locations", at: "2026-11-25T12:04:00Z" },
  { file: "recorded-more-3.2-endpoints.json", profile: "3.2-endpoints", at: "2026-11-25T12:04:00Z" },
  { file: "recorded-more-2.58.json", profile: "2.58", at: "2026-11-25T12:04:00Z" },
  { file: "recorded-more-2.34.json", profile: "2.34", at: "2026-11-25T12:04:00Z" },
];

/** By the step that needs it. */
const STEPS: Readonly<Record<string, Prepare>> = {
  "create product": async ({ server, bind }, exchange, _) => {
    const { name, prod_type } = exchange.request as { name: string; prod_type: number };
    const type = await create(server, "/product_types/", { name: name.replace("Shop", "Type") });
    bind("product type", prod_type, type.id);
  },
  "create tool configuration": async ({ server, bind }, exchange) => {
    const { tool_type } = exchange.request as { tool_type: number };
    bind("tool type", tool_type, (await create(server, "/tool_types/", { name: "Another" })).id);
  },
  "findings of the second test, in order, with endpoints": async ({ server, bind }, exchange, before) => {
    const first = before.find(({ step }) => step.startsWith("import-scan, asked to wait")) as Exchange;
    const engagement = await engagementNamed(server, "nightly");
    const made = await importAgain(server, first, engagement, { test_title: "second", build_id: "second" });
    await settled(server, made);
    bind("test", idIn(exchange.path, /test=(\d+)/), made);
  },
  "delete a test of its own product type, low-privileged (Maintainer)": async ({ server, bind }, exchange, before) => {
    const first = before.find(({ step }) => step.startsWith("import-scan, asked to wait")) as Exchange;
    const { results } = (
      await createClient(server).request("GET", "/engagements/?name=nightly", undefined, "low-privileged")
    ).body;
    bind(
      "test",
      idIn(exchange.path, /tests\/(\d+)/),
      await importAgain(server, first, results[0].id, {}, "low-privileged"),
    );
  },
};

async function prepare2x(world: Preparation, exchange: Exchange, before: readonly Exchange[]): Promise<void> {
  await STEPS[exchange.step]?.(world, exchange, before);
}

async function create(server: Server, path: string, body: object): Promise<{ id: number }> {
  return (await createClient(server).request("POST", path, body)).body;
}

async function engagementNamed(server: Server, name: string): Promise<number> {
  return (await createClient(server).request("GET", `/engagements/?name=${name}`)).body.results[0].id;
}

/** Waits until the duplicates of a test are marked: older servers do not wait for it. */
async function settled(server: Server, test: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { body } = await createClient(server).request("GET", `/findings/?test=${test}&duplicate=true&limit=1`);
    if (body.count > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function importAgain(
  server: Server,
  { request }: Exchange,
  engagement: number,
  changes: Record<string, string>,
  as: Who = "admin",
): Promise<number> {
  const { multipart } = request as {
    multipart: ({ name: string; value: string } | { filename: string; content: string })[];
  };
  const fields: Record<string, string | number> = {};
  let file = { name: "", content: "" };
  for (const part of multipart) {
    if ("filename" in part) file = { name: part.filename, content: part.content };
    else fields[part.name] = part.value;
  }
  if (as === "low-privileged") delete fields.lead;
  return (await createClient(server).upload({ ...fields, ...changes, engagement }, file, { as })).body.test_id;
}

const idIn = (path: string, pattern: RegExp) => Number(pattern.exec(path)?.[1]);
