import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { sharedUrl } from "../helpers/shared.ts";
import { defectDojoContract } from "./defectdojo.contract.ts";
import { createReplay, type Exchange, readRecording } from "./replay.ts";

for (const mode of ["locations", "endpoints"] as const) {
  const file = sharedUrl(`defectdojo/recorded-3.2-${mode}.json`);
  describe.skipIf(file === undefined)(`the stand-in answers as DefectDojo 3.2 was recorded, ${mode} mode`, () => {
    const recording = file === undefined ? [] : readRecording(file);
    let standin: Standin;
    let replay: (exchange: Exchange) => Promise<string[]>;

    beforeAll(async () => {
      standin = await startStandin({ mode, now: () => new Date("2026-11-24T16:56:00Z") });
      replay = createReplay(standin.url, { admin: standin.apiKey, "low-privileged": standin.lowPrivilegedApiKey });
    });
    afterAll(() => standin.close());

    it.each(recording.map((exchange, index) => ({ index, ...exchange })))("$index: $step", async (exchange) => {
      expect(await replay(exchange)).toEqual([]);
    });
  });

  describe(`the stand-in, ${mode} mode`, () => {
    let standin: Standin;
    beforeAll(async () => {
      standin = await startStandin({ mode });
    });
    afterAll(() => standin.close());
    defectDojoContract("keeps the contract", async () => ({ ...standin, waits: true }), true);
  });
}

const { DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: apiKey, DEFECTDOJO_LOW_APIKEY: lowPrivilegedApiKey } = process.env;

describe.skipIf(url === undefined || apiKey === undefined)("a real DefectDojo, 3.2 with deduplication on", () => {
  const server = { url: (url ?? "").replace(/\/(?:api\/v2\/?)?$/, ""), apiKey: apiKey ?? "", waits: true };
  const low = lowPrivilegedApiKey === undefined ? {} : { lowPrivilegedApiKey };
  defectDojoContract("keeps the contract", async () => ({ ...server, ...low }), lowPrivilegedApiKey !== undefined);
});
