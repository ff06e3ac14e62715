import type { Standin } from "../../infra/local/defectdojo/server.ts";

/** The team's verdicts, set through DefectDojo's API. */
export function triage({ url, apiKey }: Standin) {
  const send = async (method: string, path: string, body: object) => {
    const response = await fetch(`${url}/api/v2/${path}`, {
      method,
      headers: { authorization: `Token ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${await response.text()}`);
  };
  return {
    falsePositive: (id: number) => send("PATCH", `findings/${id}/`, { false_p: true, active: false, verified: false }),
    acceptRisk: (id: number) =>
      send("POST", "risk_acceptance/", { name: `Risk of finding ${id}`, owner: 1, accepted_findings: [id] }),
  };
}
