import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FollowState } from "../../lib/follow/follow-state.ts";
import { FOLLOW_FOLDER } from "../../lib/model/state-keys.ts";
import { cliJson } from "./cli.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { syncedFindings } from "./schema.ts";

const SAMPLE = fileURLToPath(new URL("../../infra/local/scans/zap-shop", import.meta.url));

let runtime: Runtime;
beforeAll(async () => {
  runtime = await startRuntime({ FOLLOW_SECONDS: "1" });
});
afterAll(() => runtime.stop());

const findingsOf = async (key: string) => syncedFindings.parse(JSON.parse(String(await runtime.get(key))));
/** Limited only by the timeout of the test. */
const until = async (holds: () => boolean | Promise<boolean>) => {
  while (!(await holds())) await sleep(100);
};
/** The requests of a round without changes. */
const isFeed = ({ url }: { readonly url: string }) => url.includes("-last_status_update");
/** Whether the follower has seen the findings of this test. */
const isSeen = async (test: number) => {
  const [key = ""] = await runtime.keys(FOLLOW_FOLDER);
  const { known, waiting } = JSON.parse(String(await runtime.get(key))) as Pick<FollowState, "known" | "waiting">;
  return String(test) in { ...known, ...waiting };
};
const judge = (id: number, body: object) =>
  fetch(`${runtime.standin.url}/api/v2/findings/${id}/`, {
    method: "PATCH",
    headers: { authorization: `Token ${runtime.standin.apiKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });

it("a verdict in DefectDojo reaches findings.json and the receipt, of the finding and of its duplicate elsewhere", async () => {
  const [first, second] = [await runtime.upload(SAMPLE, "first/"), await runtime.upload(SAMPLE, "second/")];
  await runtime.ended(first);
  await runtime.ended(second);
  const originals = (await findingsOf(first)).map(({ attributes }) => attributes);
  const target = originals.find(({ duplicate }) => duplicate === false);
  const id = Number(target?.["defectdojo.org/finding-id"]);
  expect((await judge(id, { false_p: true, active: false, verified: false })).status).toBe(200);

  await until(async () => (await runtime.receipt(first))?.falsePositives === 1);
  await until(async () => (await runtime.receipt(second))?.falsePositives === 1);
  const judged = (await findingsOf(first)).find(({ attributes }) => attributes["defectdojo.org/finding-id"] === id);
  expect(judged?.attributes).toMatchObject({ falsePositive: true });
  const duplicate = (await findingsOf(second)).find(
    ({ attributes }) => attributes["defectdojo.org/original-finding-id"] === id,
  );
  expect(duplicate?.attributes).toMatchObject({
    duplicate: true,
    "defectdojo.org/original-finding": { attributes: { falsePositive: true } },
  });
});

it("reads and writes nothing more after the verdict is written", async () => {
  const { requests } = runtime.standin.state;
  // The rounds that process it complete.
  await until(async () => {
    const before = requests.length;
    await until(() => requests.slice(before).filter(isFeed).length >= 5);
    return requests.slice(before).every(isFeed);
  });
});

it("status and the service report how far verdicts are followed; a deletion is noticed", async () => {
  const { url, s3Endpoint, sqsEndpoint, generatedToken } = runtime.service;
  const answer = await fetch(`${url}/api/follow`, { headers: { authorization: `Bearer ${generatedToken}` } });
  expect(await answer.json()).toEqual({ upTo: expect.stringMatching(/^20\d\d-/), lagSeconds: expect.any(Number) });
  expect((await fetch(`${url}/api/follow`)).status).toBe(401);
  const env = { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint };
  expect(await cliJson(["status"], env)).toMatchObject({ follow: [{ lagSeconds: expect.any(Number) }] });

  const key = await runtime.upload(SAMPLE, "third/");
  await runtime.ended(key);
  const receipt = await runtime.receipt(key);
  await until(() => isSeen(receipt?.test.id ?? 0));
  const before = receipt?.findings.count ?? 0;
  const [{ attributes } = { attributes: {} }] = await findingsOf(key);
  const id = Number((attributes as Record<string, unknown>)["defectdojo.org/finding-id"]);
  const deleted = await fetch(`${runtime.standin.url}/api/v2/findings/${id}/`, {
    method: "DELETE",
    headers: { authorization: `Token ${runtime.standin.apiKey}` },
  });
  expect(deleted.status).toBe(204);
  await until(async () => (await runtime.receipt(key))?.inDojo?.count === before - 1);
});
