import { randomUUID } from "node:crypto";
import * as z from "zod";
import { describeError, RelayError, toRelayError } from "../../lib/errors.ts";
import { encodeJob, type Job, productGroup } from "../../lib/model/job.ts";
import { isFindingsName, nameOf, type ObjectRef } from "../../lib/model/object-keys.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import type { Log } from "../../lib/observe.ts";
import type { Queue } from "../../lib/ports/queue.ts";
import { readReceipt } from "../../lib/ports/receipt-store.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import { jsonText } from "../../lib/util/json-text.ts";
import { redactAll } from "../../lib/util/secrets.ts";
import type { FindingsIndex } from "./history/findings-index.ts";
import type { History } from "./history/history.ts";
import type { DeadLetters } from "./page-letters.ts";
import type { Reply, Route } from "./receiver.ts";
import { seenReceipt } from "./seen-scan.ts";

/** What the page shows and does besides live scans; exists once the service has its bucket and queues. */
export interface PageBackend {
  readonly bucket: string;
  readonly findingsName: string;
  readonly storage: Storage;
  readonly queue: Queue;
  readonly history: History;
  readonly findings: FindingsIndex;
  readonly letters: DeadLetters;
  readonly log: Log;
}

type Answer = (backend: PageBackend, asked: URLSearchParams) => Promise<unknown> | unknown;
type Action = (backend: PageBackend, id: string) => Promise<unknown>;

const MOST_SCANS = 50;
const MOST_FINDINGS = 50;

/** An invalid request; the message is shown to the sender. */
class BadRequest extends Error {}

/** The target of an action no longer exists. */
class NotThere extends Error {}

/** One row per query of the page. */
const QUESTIONS = {
  "GET /api/history": ({ history }, asked) => history.page({ ...filterOf(asked), before: cursorOf(asked) }, MOST_SCANS),
  "GET /api/choices": ({ history }) => history.choices(),
  "GET /api/moments": ({ history }, asked) => ({ moments: history.moments(asked.get("product") ?? "") }),
  "GET /api/scan": (backend, asked) => details(backend, asked.get("id") ?? ""),
  "GET /api/findings": ({ findings, ...backend }, asked) => {
    const [text, state, severity] = ["text", "state", "severity"].map((name) => given(asked, name));
    const wanted = Math.trunc(Number(asked.get("offset") ?? 0));
    const offset = Number.isSafeInteger(wanted) ? Math.max(0, wanted) : 0;
    return findings.page(refOf(backend, asked.get("id") ?? ""), { text, state, severity, offset }, MOST_FINDINGS);
  },
} satisfies Readonly<Record<string, Answer>>;

/** One row per button of the page. */
const ACTIONS = {
  "POST /api/redrive": async ({ letters }, id) => ({ moved: some(await letters.redrive(id)) }),
  "POST /api/drop": async ({ letters }, id) => ({ dropped: some(await letters.drop(id)) }),
  "POST /api/resync": resync,
} satisfies Readonly<Record<string, Action>>;

/** What each query answers, and each button, by its name in the path. */
export type PageAnswers = AnswersOf<typeof QUESTIONS, "GET">;
export type ActionAnswers = AnswersOf<typeof ACTIONS, "POST">;

type AnswersOf<T extends Readonly<Record<string, Answer | Action>>, Method extends string> = {
  readonly [Path in keyof T as Path extends `${Method} /api/${infer Name}` ? Name : never]: Awaited<
    ReturnType<T[Path]>
  >;
};

/** All of them require the token. */
export const API_PATHS = [...Object.keys(QUESTIONS), ...Object.keys(ACTIONS)];

const actionRequest = jsonText(z.object({ id: z.string() }));

/** @param backend undefined while the service starts and stops */
export function apiRoutes(backend: () => PageBackend | undefined): Record<string, Route> {
  const questions = Object.entries(QUESTIONS).map(([path, answer]): [string, Route] => [
    path,
    ({ url }) => answered(backend, (there) => answer(there, url.searchParams)),
  ]);
  const actions = Object.entries(ACTIONS).map(([path, act]): [string, Route] => [
    path,
    async ({ body }) => {
      const asked = actionRequest.safeParse((await body()).toString("utf8"));
      if (!asked.success) return { status: 400, body: 'the body must be {"id": "BUCKET/KEY"}\n' };
      return await answered(backend, (there) => act(there, asked.data.id));
    },
  ]);
  return Object.fromEntries([...questions, ...actions]);
}

async function answered(backend: () => PageBackend | undefined, work: (there: PageBackend) => unknown): Promise<Reply> {
  const there = backend();
  if (there === undefined) return { status: 503, body: "starting\n" };
  try {
    return { status: 200, type: "application/json", body: `${JSON.stringify(redactAll(await work(there)))}\n` };
  } catch (error) {
    if (error instanceof BadRequest) return { status: 400, body: `${error.message}\n` };
    if (error instanceof NotThere) return { status: 404, body: `${error.message}\n` };
    const { reason, advice } = toRelayError(error);
    const status = reason.endsWith("-missing") ? 404 : 503;
    there.log.debug("a request of the page failed", { why: describeError(error) });
    return { status, body: `${describeError(error, 500)}\n${reason === "internal" ? "" : `${advice}\n`}` };
  }
}

/** @throws NotThere if there is none */
function some(letters: number): number {
  if (letters > 0) return letters;
  throw new NotThere("the dead-letter queue holds no message of this scan; somebody else may be holding it right now");
}

/** @throws BadRequest if it is not a scan's findings: the token gives access to no other object */
function refOf({ bucket, findingsName }: Pick<PageBackend, "bucket" | "findingsName">, id: string): ObjectRef {
  const key = id.slice(bucket.length + 1);
  if (!id.startsWith(`${bucket}/`) || !isFindingsName(findingsName, nameOf(key)))
    throw new BadRequest(`${JSON.stringify(id.slice(0, 255))} does not name findings in the bucket ${bucket}`);
  return { bucket, key };
}

/** @throws RelayError `findings-missing` if the scan has no receipt */
async function receiptOf({ storage, log }: PageBackend, ref: ObjectRef): Promise<Receipt> {
  const stored = await readReceipt(storage, ref, log);
  if (stored !== undefined) return stored.receipt;
  throw new RelayError("findings-missing", `${ref.key} has no receipt: it is not imported yet, or was removed`);
}

/** A scan with its receipt. */
async function details(backend: PageBackend, id: string) {
  const ref = refOf(backend, id);
  const receipt = await receiptOf(backend, ref);
  const imported = backend.history.importedAt(ref.key, receipt.jobKey);
  return { scan: seenReceipt(ref, receipt), receipt, ...(imported === undefined ? {} : { imported }) };
}

/** Enqueues a resync of a finished scan, as `follow` does. */
async function resync(backend: PageBackend, id: string) {
  const ref = refOf(backend, id);
  const { etag, product } = await receiptOf(backend, ref);
  const job: Job = { version: 1, kind: "resync", ...ref, etag };
  const group = productGroup(product.name);
  await backend.queue.send({ body: encodeJob(job), group, deduplicationId: randomUUID() });
  return { enqueued: 1 };
}

const given = (asked: URLSearchParams, name: string) => asked.get(name)?.trim() || undefined;

function filterOf(asked: URLSearchParams) {
  const [product, type, text, from, to] = ["product", "type", "text", "from", "to"].map((name) => given(asked, name));
  return { product, type, text, from, to };
}

/** Where the last page ended: its last time and key. */
function cursorOf(asked: URLSearchParams) {
  const [at, key] = [given(asked, "at"), asked.get("key")];
  return at === undefined || key === null ? undefined : { at, key };
}
