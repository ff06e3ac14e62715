import { describe, expect, it } from "vitest";
import { startStandin } from "../../../infra/local/defectdojo/server.ts";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { httpTransport } from "../../../lib/defectdojo/http.ts";
import { checkParameters, takesField } from "../../../lib/defectdojo/parameters.ts";
import { remembered } from "../../../lib/defectdojo/remembered.ts";
import { fakeTransport } from "../../helpers/fake-transport.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const LIMITED = { groupBy: "vuln_id_from_tool" };

const told = (version: string) =>
  fakeTransport(({ path }) => (path === "oa3/schema/" ? [200, { info: { version } }] : [500]));

describe("a value that not every version takes", () => {
  it.each(["2.34.5", "2.30.0", "1.15.1"])("is refused before anything is sent to %s", async (version) => {
    const error = await relayErrorBy(() => checkParameters(dojoApi(told(version)), remembered(), LIMITED));
    expect(error).toMatchObject({ reason: "sidecar-invalid", errorClass: "permanent" });
    expect(error.message).toBe(
      `annotation defectdojo.securecodebox.io/group-by: vuln_id_from_tool is unknown to this DefectDojo (${version}); versions up to 2.34 refuse it`,
    );
  });

  it.each(["2.35.0", "2.58.4", "3.2.0", "10.0.0", "nightly"])("is sent to %s", async (version) => {
    const transport = fakeTransport(({ path }) =>
      path === "oa3/schema/" ? [200, { info: { version } }] : [200, { user: { id: 1, date_joined: "2026" } }],
    );
    await checkParameters(dojoApi(transport), remembered(), LIMITED);
  });

  it.each([
    ["2.58.4", false],
    ["3.1.9", false],
    ["3.2.0", true],
    ["10.0.0", true],
    ["nightly", false],
  ])("%s takes several weaknesses of a finding: %s", async (version, takes) => {
    const transport = fakeTransport(({ path }) =>
      path === "oa3/schema/" ? [200, { info: { version } }] : [200, { user: { id: 1, date_joined: "2026" } }],
    );
    expect(await takesField(dojoApi(transport), remembered(), "cwes")).toBe(takes);
  });

  it("costs a question once in a while, and none where nothing is limited", async () => {
    const [transport, known] = [told("2.58.4"), remembered()];
    for (const options of [{}, { groupBy: "file_path" }]) await checkParameters(dojoApi(transport), known, options);
    expect(transport.calls).toEqual([]);
    for (const options of [LIMITED, LIMITED]) await checkParameters(dojoApi(transport), known, options);
    expect(transport.calls).toHaveLength(1);
  });

  it.each([
    ["2.34", true],
    ["2.58", false],
    ["3.2-endpoints", false],
    ["3.2-locations", false],
  ])("is known for what it is by the answers of %s: refused %s", async (profile, refused) => {
    const standin = await startStandin({ profile });
    try {
      const { url: baseUrl, apiKey } = standin;
      const api = dojoApi(httpTransport({ baseUrl, apiKey: async () => apiKey, timeoutMs: 5_000 }));
      const outcome = await checkParameters(api, remembered(), LIMITED).then(
        () => false,
        () => true,
      );
      expect(outcome).toBe(refused);
    } finally {
      await standin.close();
    }
  });
});
