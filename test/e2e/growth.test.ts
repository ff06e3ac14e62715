import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { readDojoConfig } from "../../lib/config.ts";
import { dojoPort } from "../../lib/defectdojo/dojo-port.ts";
import { checkpointStore } from "../../lib/importer/checkpoint.ts";
import { importJob } from "../../lib/importer/import-job.ts";
import { flowSettings } from "../../lib/settings.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { aFinding, aGenericScan, aJob } from "../helpers/factories.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";

const DAYS = 365;
const FINDINGS = 5;

interface Cost {
  readonly requests: number;
  readonly bytes: number;
}

/** Forwards everything to DefectDojo and counts the bytes of the responses. */
async function startCounter(target: string) {
  let [requests, bytes] = [0, 0];
  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const onward = httpRequest(new URL(incoming.url ?? "/", target), { method: method ?? "GET", headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.pipe(outgoing);
    });
    requests++;
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Since the last call. */
    cost: (): Cost => {
      const cost = { requests, bytes };
      [requests, bytes] = [0, 0];
      return cost;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe("daily scans of one product for a year", () => {
  let standin: Standin;
  let counter: Awaited<ReturnType<typeof startCounter>>;
  afterEach(async () => {
    counter.close();
    await standin.close();
  });

  it.each([
    { cache: "ids are remembered", cold: false, mode: "locations", recurring: true },
    { cache: "nothing is remembered", cold: true, mode: "locations", recurring: false },
    { cache: "nothing is remembered", cold: true, mode: "endpoints", recurring: true },
  ] as const)("cost the same each ($cache, $mode mode, the same findings again: $recurring)", async (given) => {
    standin = await startStandin({ mode: given.mode });
    counter = await startCounter(standin.url);
    const config = readDojoConfig({ DEFECTDOJO_URL: counter.url, DEFECTDOJO_APIKEY: standin.apiKey });
    const { log, metrics } = recorder();
    const storage = memoryStorage();
    let dojo = dojoPort(config, {});
    const costs: Cost[] = [];
    for (let day = 0; day < DAYS; day++) {
      if (given.cold) dojo = dojoPort(config, {});
      const name = (number: number) => (given.recurring ? `Finding ${number}` : `Finding ${number} of day ${day}`);
      // An endpoint of 2.x names all findings that it ever had wherever it is shown; only the same place of another day tells what the rest costs.
      const location = (number: number, of: number) =>
        `https://example.com:8443/${number}${given.mode === "endpoints" ? `?day=${of}` : ""}`;
      const findings = Array.from({ length: FINDINGS }, (_, number) =>
        aFinding({ id: `${day}-${number}`, name: name(number), location: location(number, day) }),
      );
      const folder = { bucket: "securecodebox", key: `scan-${day}/findings.json` };
      const etag = storage.put(folder, JSON.stringify(findings));
      const job = aJob({ ...folder, etag, scan: aGenericScan() });
      const ports = { storage, dojo, clock: systemClock, log, metrics, pending: checkpointStore(storage, log) };
      const { receipt } = await importJob(job, ports, flowSettings(config), { remainingMs: () => 600_000 });
      expect(receipt?.findings.count).toBe(FINDINGS);
      costs.push(counter.cost());
    }
    // The second day is the first with duplicates and an existing engagement.
    const [first, ...later] = costs.slice(2);
    for (const { requests, bytes } of later) {
      expect(requests).toBe(first?.requests);
      // Ids, and counts of all there is, grow by a digit now and then.
      expect(bytes - (first?.bytes ?? 0)).toBeLessThan(0.03 * (first?.bytes ?? 0));
    }
  });

  it.each(["locations", "endpoints"] as const)(
    "cost the same each where they live on in one test (%s mode)",
    async (mode) => {
      standin = await startStandin({ mode });
      counter = await startCounter(standin.url);
      const config = readDojoConfig({
        ...{ DEFECTDOJO_URL: counter.url, DEFECTDOJO_APIKEY: standin.apiKey, IMPORT_MODE: "reimport" },
      });
      const { log, metrics } = recorder();
      const storage = memoryStorage();
      const dojo = dojoPort(config, {});
      const costs: Cost[] = [];
      for (let day = 0; day < DAYS; day++) {
        // Each day one finding is gone, one is new, and one returns; the test ends with one per day.
        const names = [day, day + 1, day + 2, 1_000 + (day % 2)].map(
          (number) => `Finding ${String(number).padStart(4, "0")}`,
        );
        const place = (name: string) => `https://example.com:8443/${name.slice(-4)}`;
        const findings = names.map((name, number) => aFinding({ id: `${day}-${number}`, name, location: place(name) }));
        const folder = { bucket: "securecodebox", key: `scan-${day}/findings.json` };
        const etag = storage.put(folder, JSON.stringify(findings));
        const createdAt = new Date(Date.UTC(2026, 0, 1 + day)).toISOString();
        const scan = aGenericScan({
          name: `nightly-${day}`,
          uid: `uid-${day}`,
          scheduledBy: "nightly",
          createdAt,
          finishedAt: createdAt,
        });
        const job = aJob({ ...folder, etag, scan });
        const ports = { storage, dojo, clock: systemClock, log, metrics, pending: checkpointStore(storage, log) };
        const { receipt } = await importJob(job, ports, flowSettings(config), { remainingMs: () => 600_000 });
        expect(receipt).toMatchObject({
          findings: { count: 4 },
          ...(day > 1 ? { new: 1, known: 2, reactivated: 1, closed: 2 } : {}),
        });
        costs.push(counter.cost());
      }
      expect(standin.state.tests.size).toBe(1);
      const [first, ...later] = costs.slice(3);
      for (const { requests, bytes } of later) {
        expect(requests).toBe(first?.requests);
        // Ids, and counts of all there is, grow by a digit now and then; an endpoint of 2.x names all its findings.
        expect(bytes - (first?.bytes ?? 0)).toBeLessThan(0.03 * (first?.bytes ?? 0));
      }
    },
  );
});
