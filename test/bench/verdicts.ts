import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import { startChild } from "./rpc.ts";
import { type Servers, startServers } from "./servers.ts";
import type { ServiceMethods } from "./service-child.ts";
import { notify, type Scan, TOKEN } from "./throughput.ts";
import { benchFinding, benchSidecar } from "./workload.ts";

/** Whom verdicts are given as, and the follower's pause. */
export interface VerdictOptions {
  readonly url: string;
  readonly apiKey: string;
  /** The key of a user who may give verdicts. */
  readonly judge: string;
  readonly followSeconds: number;
  /** More of the service's environment. */
  readonly env: Readonly<Record<string, string>>;
}

interface Seconds {
  readonly verdict: string;
  /** From DefectDojo's answer to findings.json. */
  readonly original: number | string;
  /** The same for its duplicate in another scan. */
  readonly duplicate: number | string;
}

interface Attributes {
  readonly [name: string]: unknown;
}

interface Verdict {
  readonly name: string;
  readonly give: (dojo: Judge, id: number) => Promise<void>;
  /** Whether findings.json says so, of the finding itself. */
  readonly shows: (attributes: Attributes, severity: string) => boolean;
  /** Of a duplicate the original's verdicts are told, not its severity. */
  readonly ofDuplicates: boolean;
  readonly longestSeconds: number;
}

interface Judge {
  patch(id: number, body: object): Promise<void>;
  post(path: string, body: object): Promise<void>;
  user(): Promise<number>;
}

const SOON = 150;
/** Two off-feed checks, and something for the reading. */
const TWO_CHECKS = 1_300;

/** One row a verdict, each on a finding of its own; the slow ones are given first and awaited last. */
const VERDICTS: readonly Verdict[] = [
  {
    name: "under review",
    give: (dojo, id) => dojo.patch(id, { under_review: true }),
    shows: ({ underReview }) => underReview === true,
    ofDuplicates: false,
    longestSeconds: TWO_CHECKS,
  },
  {
    name: "severity changed by hand",
    give: (dojo, id) => dojo.patch(id, { severity: "Critical" }),
    shows: (attributes) => attributes["defectdojo.org/severity"] === "Critical",
    ofDuplicates: false,
    longestSeconds: TWO_CHECKS,
  },
  {
    name: "false positive",
    give: (dojo, id) => dojo.patch(id, { false_p: true, active: false, verified: false }),
    shows: ({ falsePositive }) => falsePositive === true,
    ofDuplicates: true,
    longestSeconds: SOON,
  },
  {
    name: "out of scope",
    give: (dojo, id) => dojo.patch(id, { out_of_scope: true, active: false, verified: false }),
    shows: ({ outOfScope }) => outOfScope === true,
    ofDuplicates: true,
    longestSeconds: SOON,
  },
  {
    name: "risk accepted",
    give: async (dojo, id) => {
      const body = { name: `Accepted ${id}`, owner: await dojo.user(), accepted_findings: [id] };
      await dojo.post("risk_acceptance/", { ...body, decision: "A", recommendation: "A" });
    },
    shows: ({ riskAccepted }) => riskAccepted === true,
    ofDuplicates: true,
    longestSeconds: SOON,
  },
  {
    name: "closed",
    give: (dojo, id) => dojo.post(`findings/${id}/close/`, { is_mitigated: true }),
    shows: ({ active }) => active === false,
    ofDuplicates: true,
    longestSeconds: SOON,
  },
  {
    name: "reopened",
    give: async (dojo, id) => dojo.patch(id, { active: true, is_mitigated: false }),
    shows: ({ active }) => active === true,
    ofDuplicates: true,
    longestSeconds: SOON,
  },
];

const SLOW = VERDICTS.filter(({ ofDuplicates }) => !ofDuplicates);

/** Seconds from a verdict in a real DefectDojo to the bucket, by the clock: of an original, and of its duplicate in another scan. */
export async function verdicts({ url, apiKey, judge, followSeconds, env }: VerdictOptions): Promise<Seconds[]> {
  const servers = await startServers({}, { url, apiKey });
  const service = await startChild<ServiceMethods>("service-child.ts");
  try {
    const started = await service.call.start({
      ...servers.env,
      ...env,
      BUCKET: servers.bucket,
      WEBHOOK_TOKEN: TOKEN,
      POLL_SECONDS: "1",
      FOLLOW_SECONDS: String(followSeconds),
    });
    const scans = await upload(servers, `verdicts-${randomBytes(4).toString("hex")}`);
    for (const scan of scans) {
      await notify(`${started.url}/events`, servers.bucket, [scan], 1);
      while (!(await service.call.steps()).some(({ state }) => state === "done" || state === "failed"))
        await sleep(500);
    }
    await sleep(2 * followSeconds * 1_000); // the follower has begun, and has seen both imports
    return await measure(s3Storage(servers.s3), servers.bucket, scans, judgeAt(url, judge));
  } finally {
    await service.call.close();
    await service.stop();
    await servers.stop();
  }
}

async function upload({ s3, bucket }: Servers, name: string): Promise<Scan[]> {
  const storage = s3Storage(s3);
  const put = (key: string, content: unknown) =>
    storage.write({ bucket, key }, JSON.stringify(content), { contentType: "application/json" });
  const scans: Scan[] = [];
  for (const run of [0, 1, ...SLOW.map((_, number) => 2 + number)]) {
    await put(`${name}-${run}/scan.json`, benchSidecar({ scan: `nightly-${run}`, product: name, raw: false }));
    const key = `${name}-${run}/findings.json`;
    // The first two scans have the same findings; what the feed does not tell gets a scan of its own, as each sync brings a scan's other verdicts along.
    const findings = Array.from({ length: VERDICTS.length }, (_, i) => benchFinding(run < 2 ? i : run * 100 + i, run));
    scans.push({ product: run, key, etag: await put(key, findings) });
  }
  return scans;
}

async function measure(storage: Storage, bucket: string, scans: readonly Scan[], dojo: Judge): Promise<Seconds[]> {
  const read = async (key: string) => {
    const found = await storage.read({ bucket, key });
    const chunks: Buffer[] = [];
    for await (const chunk of found?.body ?? []) chunks.push(Buffer.from(chunk));
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as { severity: string; attributes: Attributes }[];
  };
  const idsOf = async (key: string) =>
    (await read(key)).map(({ attributes }) => Number(attributes["defectdojo.org/finding-id"]));
  const [first, second, ...slow] = scans;
  const pending: Promise<Seconds>[] = [];
  let closed = 0;
  for (const [number, verdict] of VERDICTS.entries()) {
    const scan = verdict.ofDuplicates ? first : slow[SLOW.indexOf(verdict)];
    const id = verdict.name === "reopened" ? closed : ((await idsOf(scan?.key ?? ""))[number] as number);
    if (verdict.name === "closed") closed = id;
    await verdict.give(dojo, id);
    const given = Date.now();
    const until = async (holds: () => Promise<boolean>) => {
      while (!(await holds())) {
        if (Date.now() - given > verdict.longestSeconds * 1_000) return `not in ${verdict.longestSeconds} s`;
        await sleep(250);
      }
      return Math.round((Date.now() - given) / 100) / 10;
    };
    const shown = async (): Promise<Seconds> => {
      const original = await until(async () =>
        (await read(scan?.key ?? "")).some(
          ({ attributes, severity }) =>
            attributes["defectdojo.org/finding-id"] === id && verdict.shows(attributes, severity),
        ),
      );
      const duplicate = !verdict.ofDuplicates
        ? ""
        : await until(async () =>
            (await read(second?.key ?? "")).some(({ attributes }) => {
              const embedded = attributes["defectdojo.org/original-finding"] as
                | { severity: string; attributes: Attributes }
                | undefined;
              return (
                attributes["defectdojo.org/original-finding-id"] === id &&
                embedded !== undefined &&
                verdict.shows(embedded.attributes, embedded.severity)
              );
            }),
          );
      return { verdict: verdict.name, original, duplicate };
    };
    const seen = shown();
    pending.push(seen);
    if (verdict.ofDuplicates) await seen;
  }
  return await Promise.all(pending);
}

function judgeAt(url: string, apiKey: string): Judge {
  const headers = { authorization: `Token ${apiKey}`, "content-type": "application/json" };
  const send = async (method: string, path: string, body?: object) => {
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const answer = await fetch(`${url}/api/v2/${path}`, init);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${(await answer.text()).slice(0, 300)}`);
    return (await answer.json()) as { user: { id: number } };
  };
  return {
    patch: async (id, body) => void (await send("PATCH", `findings/${id}/`, body)),
    post: async (path, body) => void (await send("POST", path, body)),
    user: async () => (await send("GET", "user_profile/")).user.id,
  };
}
