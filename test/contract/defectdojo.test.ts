import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROFILES, type Profile } from "../../infra/local/defectdojo/profiles.ts";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { sharedUrl } from "../helpers/shared.ts";
import { defectDojoContract } from "./defectdojo.contract.ts";
import { RECORDINGS } from "./recordings.ts";
import { createReplay, type Replay, readRecording } from "./replay.ts";

for (const { file, profile, at, prepare } of RECORDINGS) {
  const path = sharedUrl(`defectdojo/${file}`);
  describe.skipIf(path === undefined)(`the stand-in, profile ${profile}, answers as in ${file}`, () => {
    const recording = path === undefined ? [] : readRecording(path);
    let standin: Standin;
    let replay: Replay;

    beforeAll(async () => {
      // Each reading of the clock is a moment later, which reveals the latest change.
      let moment = Date.parse(at);
      standin = await startStandin({ profile, now: () => new Date(moment++) });
      replay = createReplay(standin.url, { admin: standin.apiKey, "low-privileged": standin.lowPrivilegedApiKey });
    });
    afterAll(() => standin.close());

    it.each(recording.map((exchange, index) => ({ index, ...exchange })))("$index: $step", async (exchange) => {
      const before = recording.slice(0, exchange.index);
      await prepare?.({ server: { ...standin, waits: false }, bind: replay.bind }, exchange, before);
      expect(await replay.play(exchange)).toEqual([]);
    });
  });
}

for (const profile of Object.keys(PROFILES)) {
  describe(`the stand-in, profile ${profile}`, () => {
    let standin: Standin;
    beforeAll(async () => {
      standin = await startStandin({ profile });
    });
    afterAll(() => standin.close());
    const { asyncWait: waits } = PROFILES[profile] as Profile;
    defectDojoContract("keeps the contract", async () => ({ ...standin, waits }), true);
  });
}

const { DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: apiKey, DEFECTDOJO_LOW_APIKEY: lowPrivilegedApiKey } = process.env;

describe.skipIf(url === undefined || apiKey === undefined)("a real DefectDojo, 3.2 with deduplication on", () => {
  const server = { url: (url ?? "").replace(/\/(?:api\/v2\/?)?$/, ""), apiKey: apiKey ?? "", waits: true };
  const low = lowPrivilegedApiKey === undefined ? {} : { lowPrivilegedApiKey };
  defectDojoContract("keeps the contract", async () => ({ ...server, ...low }), lowPrivilegedApiKey !== undefined);
});
