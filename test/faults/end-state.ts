import { buffer } from "node:stream/consumers";
import type { Test } from "../../infra/local/defectdojo/model.ts";
import { originalOf, receiptOf } from "../../lib/model/object-keys.ts";
import { type Receipt, receiptSchema, writtenBackBy } from "../../lib/model/receipt.ts";
import { syncedFindings } from "../e2e/schema.ts";
import type { Lane } from "./lane.ts";
import type { Run } from "./run.ts";
import type { Scenario } from "./scenarios.ts";

type Json = Record<string, unknown>;

/** Everything that a run leaves, without what differs between runs: ids, URLs, times. */
export interface EndState {
  /** The tests of the product with the build id, or its latest one: there must be exactly one. */
  readonly tests: readonly unknown[];
  readonly inDojo: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly keys: readonly string[];
  readonly findings: readonly unknown[];
  readonly receipt: unknown;
}

export interface Looked {
  readonly state: EndState;
  /** Violations in any scenario. */
  readonly wrong: readonly string[];
}

/** Reads the bucket, the queues and DefectDojo after a run. */
export async function lookAtEnd(lane: Lane, scenario: Scenario, run: Run): Promise<Looked> {
  const { state } = lane.dojo();
  const wrong: string[] = [];
  const expect = (what: string, got: unknown, wanted: unknown) => {
    if (JSON.stringify(got) !== JSON.stringify(wanted))
      wrong.push(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`);
  };
  const product = [...state.products.values()].filter(({ name }) => name === run.product);
  const engagements = [...state.engagements.values()].filter((one) => one.product === product[0]?.id);
  const tests = [...state.tests.values()].filter((test) => engagements.some(({ id }) => id === test.engagement));
  const own = tests.filter((test) => test.build_id === run.jobKey);
  const test = own[0];
  const inDojo = state.findingsByTest.get(test?.id ?? 0) ?? [];
  expect("tests with the build id", own.length, 1);
  expect("tests of the product", tests.length, scenario.afterAnother && !scenario.living ? 2 : 1);
  expect("percent complete", test?.percent_complete, 100);
  expect("findings in DefectDojo", inDojo.length, scenario.findings);
  expect("messages in the queue", await lane.queue.size(), 0);
  expect("dead letters", (await lane.dlq.takeAll()).length, 0);

  const read = async (key: string) => {
    const found = await lane.storage.read({ bucket: run.findings.bucket, key });
    return found === undefined ? undefined : { head: found.head, bytes: await buffer(found.body) };
  };
  const readOnly = scenario.env?.DEFECTDOJO_SYNC_FINDINGS_BACK === "false";
  const findings = await read(run.findings.key);
  if (readOnly) expect("findings.json is the upload", findings?.bytes.equals(run.uploaded), true);
  else {
    expect("findings.json is written by", writtenBackBy(run.findings, findings?.head.metadata ?? {}), run.jobKey);
    const original = await read(originalOf(run.findings).key);
    expect("findings.original.json is the upload", original?.bytes.equals(run.uploaded), true);
  }
  const written = JSON.parse(findings?.bytes.toString("utf8") ?? "[]") as Json[];
  expect("findings in findings.json", written.length, scenario.findings);
  if (!readOnly && scenario.env?.SYNC_MODE !== "merge") {
    const parsed = syncedFindings.safeParse(written);
    if (!parsed.success) wrong.push(`findings.json: ${parsed.error.message.slice(0, 300)}`);
  }
  const ids = written.map(({ attributes }) => (attributes as Json)["defectdojo.org/finding-id"]);
  if (!readOnly) expect("finding ids", ids.toSorted(), inDojo.map(({ id }) => id).toSorted());

  const stored = await read(receiptOf(run.findings).key);
  const receipt = stored === undefined ? undefined : receiptSchema.safeParse(JSON.parse(stored.bytes.toString("utf8")));
  if (receipt?.success !== true) wrong.push("there is no receipt, or none that can be read");
  expect("the receipt's job", receipt?.data?.jobKey, run.jobKey);
  expect("the receipt's test", receipt?.data?.test.id, test?.id);
  expect("imported as", receipt?.data?.importedAs, scenario.importedAs);

  const folder = run.findings.key.slice(0, run.findings.key.lastIndexOf("/") + 1);
  const keys: string[] = [];
  for await (const { key } of lane.storage.list(run.findings.bucket, folder)) keys.push(key.slice(folder.length));
  return {
    wrong,
    state: {
      tests: own.map((one) => testState(one, run)),
      inDojo: inDojo.map(({ title, severity, duplicate, active, false_p }) =>
        JSON.stringify([title, severity, duplicate, active, false_p]),
      ),
      counts: { products: product.length, engagements: engagements.length, orchestrators: orchestrators(lane) },
      keys: keys.sort(),
      findings: written.map((finding) => findingState(finding)),
      receipt: receipt?.data === undefined ? undefined : receiptState(receipt.data, run),
    },
  };
}

function orchestrators({ dojo }: Lane): number {
  const { cicdInfrastructure, toolConfigurations } = dojo().state;
  return cicdInfrastructure.size + toolConfigurations.size;
}

function testState({ title, scan_type, percent_complete, description, version, tags }: Test, run: Run): unknown {
  return { title, scan_type, percent_complete, description: without(description ?? "", run), version, tags };
}

function findingState({ id: _, parsed_at: __, attributes, scan, ...rest }: Json): unknown {
  const { "defectdojo.org/original-finding": original, ...state } = (attributes ?? {}) as Json;
  const stable = Object.entries(state).filter(([name]) => !name.startsWith("defectdojo.org/"));
  const { created_at: ___, ...ofScan } = (scan ?? {}) as Json;
  return {
    ...rest,
    scan: ofScan,
    attributes: Object.fromEntries(stable),
    original: original === null || original === undefined ? undefined : findingState(original as Json),
  };
}

/**
 * An importer that replaces a killed one does not know whether a response confirmed deduplication, so only the presence of the field counts. What a resync
 * changed is counted in the findings' metadata, but only listed in the receipt: one that died before writing the receipt leaves the count.
 */
function receiptState(
  { deduplication, changed: _changed, testImport: _record, interruptedSince: _since, ...receipt }: Receipt,
  run: Run,
): unknown {
  const { jobKey: _, findingsKey: __, startedAt: ___, finishedAt: ____, timings: _____, ...rest } = receipt;
  const { productType, product, engagement, test, etag: ______, ...others } = rest;
  const names = { productType: productType.name, product: product.name, engagement: engagement.name, test: test.name };
  const told = deduplication !== undefined;
  return JSON.parse(without(JSON.stringify({ ...others, ...names, told }), run));
}

const without = (text: string, run: Run) => text.replaceAll(run.product, "PRODUCT").replaceAll(/\b\d{4,}\b/g, "9");

/** The differences between two end states, by field path. */
export function differences(got: unknown, wanted: unknown, at = ""): string[] {
  if (typeof got !== "object" || typeof wanted !== "object" || got === null || wanted === null)
    return Object.is(got, wanted) ? [] : [`${at}: ${brief(got)} instead of ${brief(wanted)}`];
  const names = new Set([...Object.keys(got), ...Object.keys(wanted)]);
  return [...names].flatMap((name) => differences((got as Json)[name], (wanted as Json)[name], `${at}.${name}`));
}

const brief = (value: unknown) => (JSON.stringify(value) ?? "nothing").slice(0, 200);
