import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Standin, startStandin } from "../../../infra/local/defectdojo/server.ts";
import { createWorld, importFindings, newEngagement } from "../../contract/defectdojo-client.ts";

let standin: Standin;
let [test, finding] = [0, 0];
beforeAll(async () => {
  standin = await startStandin();
  const world = await createWorld({ url: standin.url, apiKey: standin.apiKey, waits: true });
  test = await importFindings(world, await newEngagement(world), { title: "A <b>bold</b> finding" });
  finding = standin.state.findingsByTest.get(test)?.[0]?.id ?? 0;
});
afterAll(() => standin.close());

const page = async (path: string) => {
  const response = await fetch(standin.url + path);
  return { status: response.status, text: await response.text() };
};
const press = (verdict: string, headers: Record<string, string> = {}) =>
  fetch(`${standin.url}/finding/${finding}`, {
    method: "POST",
    body: new URLSearchParams({ verdict }),
    redirect: "manual",
    headers,
  });

describe("the stand-in's pages", () => {
  it("lead from the products to a finding, whose text stays text", async () => {
    const first = standin.state.findings.get(finding);
    const engagement = first?.test.engagement ?? 0;
    const product = standin.state.engagements.get(engagement)?.product;
    expect((await page("/")).text).toContain(`/product/${product}`);
    expect((await page(`/product/${product}`)).text).toContain(`/engagement/${engagement}`);
    expect((await page(`/engagement/${engagement}`)).text).toContain(`/test/${test}`);
    expect((await page(`/test/${test}`)).text).toContain(`/finding/${finding}`);
    const { text } = await page(`/finding/${finding}`);
    expect(text).not.toMatch(/<b>bold/i);
    expect(text).toContain("false positive");
  });

  it.each([
    ["false positive", { false_p: true, active: false }],
    ["reopen", { false_p: false, active: true }],
    ["risk accepted", { risk_accepted: true }],
    ["reopen", { risk_accepted: false, active: true }],
    ["close", { is_mitigated: true, active: false }],
    ["out of scope", { out_of_scope: true }],
    ["under review", { under_review: true }],
    ["reopen", { under_review: false, active: true }],
  ])("%s does what the API does", async (verdict, expected) => {
    expect((await press(verdict)).status).toBe(303);
    expect(standin.state.findings.get(finding)).toMatchObject(expected);
  });

  it("a verdict that DefectDojo refuses says why, on a page that leads back", async () => {
    const duplicate = standin.state.findings.get(finding);
    Object.assign(duplicate ?? {}, { duplicate: true, active: false });
    const refused = await press("reopen");
    Object.assign(duplicate ?? {}, { duplicate: false });
    expect([refused.status, refused.headers.get("content-type")]).toEqual([400, "text/html; charset=utf-8"]);
    expect(await refused.text()).toMatch(
      new RegExp(`Refused: Duplicate findings cannot be verified or active.*/finding/${finding}`, "s"),
    );
  });

  it("a form of another page is refused, and so is what is not there", async () => {
    expect((await press("close", { origin: "http://elsewhere.example.com" })).status).toBe(403);
    expect((await page("/test/999999999")).status).toBe(404);
    expect((await page("/nothing")).status).toBe(404);
  });
});
