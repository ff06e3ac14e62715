import { openAsBlob } from "node:fs";

/** DefectDojo, as somebody with curl reaches it. */
export interface Dojo {
  readonly url: string;
  readonly apiKey: string;
}

export interface Filed {
  readonly product: number;
  readonly engagement: number;
}

const PAGE = 250;
/** Ids a request: their URL stays below 4,000 characters. */
const IDS = 400;

interface Page {
  readonly results: readonly {
    readonly id: number;
    readonly duplicate: boolean;
    readonly duplicate_finding: number | null;
    readonly endpoints: readonly number[];
    readonly location: number;
  }[];
}

/** What DefectDojo itself takes: the bare calls by hand, with nothing between them. */
export function byHand({ url, apiKey }: Dojo) {
  const call = async (method: string, path: string, body?: FormData | object): Promise<unknown> => {
    const json = body !== undefined && !(body instanceof FormData);
    const answer = await fetch(`${url}/api/v2/${path}`, {
      method,
      headers: {
        authorization: `Token ${apiKey}`,
        // A connection that DefectDojo closes just as it is used again would fail the call.
        connection: "close",
        ...(json ? { "content-type": "application/json" } : {}),
      },
      body: body === undefined ? null : body instanceof FormData ? body : JSON.stringify(body),
    });
    if (answer.status >= 400 && answer.status !== 404)
      throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 404 ? undefined : await answer.json();
  };
  const get = async (path: string) => (await call("GET", path)) as Page;
  const created = async (path: string, body: object) => ((await call("POST", path, body)) as { id: number }).id;

  const engagement = (product: number, name: string) =>
    created("engagements/", {
      product,
      name,
      target_start: "2026-11-20",
      target_end: "2026-11-20",
      engagement_type: "CI/CD",
      status: "In Progress",
    });

  const readPage = async (test: number, offset: number, locations: boolean): Promise<void> => {
    const alongside = locations ? "" : "&prefetch=endpoints";
    const { results } = await get(`findings/?test=${test}&o=id&limit=${PAGE}&offset=${offset}${alongside}`);
    const originals = results.flatMap((finding) => finding.duplicate_finding ?? []);
    const byId = async () => {
      for (const ids of groups(originals)) await get(`findings/?id=${ids}&limit=${IDS}${alongside}`);
    };
    const byLocation = async () => {
      if (!locations) return;
      const located = [...results.filter(({ endpoints }) => endpoints.length > 0).map(({ id }) => id), ...originals];
      const links: number[] = [];
      for (const ids of groups(located)) {
        const page = await get(`location_findings/?finding_includes=${ids}&limit=1000`);
        links.push(...page.results.map(({ location }) => location));
      }
      for (const ids of groups([...new Set(links)])) await get(`location/?id_includes=${ids}&limit=1000`);
    };
    await Promise.all([byId(), byLocation()]);
  };

  return {
    product: async (name: string): Promise<Filed> => {
      const product = await created("products/", { name, description: name, prod_type: 1 });
      return { product, engagement: await engagement(product, name) };
    },
    engagement,
    hasLocations: async () => (await call("GET", "location/?limit=1")) !== undefined,
    import: async (engagementId: number, scanType: string, path: string): Promise<number> => {
      const form = new FormData();
      form.append("scan_type", scanType);
      form.append("engagement", String(engagementId));
      form.append("deduplication_execution_mode", "async_wait");
      form.append("file", await openAsBlob(path), "findings.json");
      return ((await call("POST", "import-scan/", form)) as { test: number }).test;
    },
    /** All findings of the test with their originals and locations, as many pages side by side as the relay asks for. */
    read: async (test: number, findings: number, concurrency: number, locations: boolean): Promise<void> => {
      let next = 0;
      const readOn = async () => {
        while (next < findings) {
          const offset = next;
          next += PAGE;
          await readPage(test, offset, locations);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, readOn));
    },
  };
}

function groups(ids: readonly number[]): string[] {
  return Array.from({ length: Math.ceil(ids.length / IDS) }, (_, n) => ids.slice(n * IDS, (n + 1) * IDS).join());
}
