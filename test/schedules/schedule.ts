import { checkpointOf, receiptOf } from "../../lib/model/object-keys.ts";
import { fc } from "../helpers/property.ts";
import { findingsOf } from "./uploads.ts";

/**
 * A fault in one call of the relay to the bucket, a queue or DefectDojo:
 * - `die-before`, `die-after`: the process ends there.
 * - `refused`: an error without any effect. `outage`: every call to that service is refused for some time.
 * - `lost`: the call takes effect, but returns an error some time later. `late`: an error now, and the effect some time later.
 * - `twice`: the SDK lost the response and resent the request; only the second response is visible (S3, SQS).
 * - `slow`: a delayed response. `cut`: a body that breaks off.
 * - `expire`: the message becomes visible to others while its importer continues.
 * - `rival`, `delete`, `upload`: an outsider overwrites, deletes or uploads the findings right before the call.
 * - `dead-import`: DefectDojo's worker dies in the import, which stays at 50 % without a response. `failed-import`: it returns 500.
 * - `switched-mode`: DefectDojo's location feature is switched, or it is upgraded, at one of the next requests for findings.
 * - `conflicting-import`: another import stores the same new URLs, and this one returns 409 after reading its report.
 */
const FAULTS = [
  "die-before",
  "die-after",
  "refused",
  "outage",
  "lost",
  "late",
  "twice",
  "slow",
  "cut",
  "expire",
  "rival",
  "delete",
  "upload",
  "dead-import",
  "failed-import",
  "conflicting-import",
  "switched-mode",
] as const;

export interface Fault {
  readonly kind: (typeof FAULTS)[number];
  /** The number of the call it hits, counted over all calls or those with this name. */
  readonly call: number;
  readonly on?: string;
  readonly seconds: number;
}

export interface UploadPlan {
  /** Seconds after the start. */
  readonly at: number;
  /** Uploads of one folder race for its key. */
  readonly folder: number;
  /** `overflowing`: DefectDojo's database has no room for its last finding. */
  readonly kind: "generic" | "native" | "unreadable" | "overflowing";
  /** The same content of the same run twice is the same job. */
  readonly content: number;
  /** The execution of the Scan it belongs to. */
  readonly run: number;
  /** Jobs of different products run in parallel. */
  readonly product: number;
  /** How often the bucket sends its notification. */
  readonly notices: number;
  /** For a run of a scheduled scan: its name and start (ISO 8601). */
  readonly scheduled?: { readonly by: string; readonly at: string };
}

export interface Schedule {
  /** Seed of latencies and orders. */
  readonly seed: number;
  readonly uploads: readonly UploadPlan[];
  readonly faults: readonly Fault[];
  readonly syncBack: boolean;
  readonly merge: boolean;
  readonly reimport?: boolean;
  /** A native import that kept fewer findings than were uploaded is replaced by a generic one. */
  readonly replaceFewer: boolean;
  readonly lowPrivileged: boolean;
  /** DefectDojo waits for its deduplication. */
  readonly asyncWait: boolean;
  /** Whether notifications include metadata (MinIO) or not (S3). */
  readonly eventMetadata: boolean;
  /** The time limit of one delivery. */
  readonly deliverySeconds: number;
  readonly msPerFinding: number;
}

/** Critical calls. */
const TURNING_POINTS = [
  "dojo importScan",
  "dojo testsByBuildId",
  "dojo deleteTest",
  "dojo findingPages",
  "sqs queue delete",
  ...[0, 1].flatMap((folder) => ["COPY", "PUT", "HEAD"].map((method) => `s3 ${method} ${findingsOf(folder).key}`)),
  ...[0, 1].map((folder) => `s3 PUT ${receiptOf(findingsOf(folder)).key}`),
  ...[0, 1].flatMap((folder) =>
    ["GET", "PUT", "DELETE"].map((method) => `s3 ${method} ${checkpointOf(findingsOf(folder)).key}`),
  ),
];

/** @param mostFaults 0 for schedules with uploads only */
export function schedules(mostFaults: number): fc.Arbitrary<Schedule> {
  const upload: fc.Arbitrary<UploadPlan> = fc.record({
    at: fc.integer({ min: 0, max: 300 }),
    folder: fc.nat({ max: 1 }),
    kind: fc.constantFrom("generic", "native", "unreadable", "overflowing"),
    content: fc.nat({ max: 2 }),
    run: fc.nat({ max: 1 }),
    product: fc.nat({ max: 1 }),
    notices: fc.integer({ min: 1, max: 3 }),
  });
  const kind = fc.constantFrom(...FAULTS);
  const seconds = fc.constantFrom(0, 1, 5, 30, 59, 200);
  const anywhere = fc.record({ kind, call: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 160 })), seconds });
  const somewhere = fc.record({ kind, call: fc.nat({ max: 3 }), on: fc.constantFrom(...TURNING_POINTS), seconds });
  const fault: fc.Arbitrary<Fault> = fc.oneof(anywhere, somewhere);
  return fc.record({
    seed: fc.nat(),
    uploads: fc.array(upload, { minLength: 1, maxLength: 4 }),
    faults: fc.array(fault, { maxLength: mostFaults }),
    syncBack: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    merge: fc.boolean(),
    replaceFewer: fc.boolean(),
    lowPrivileged: fc.boolean(),
    asyncWait: fc.boolean(),
    eventMetadata: fc.boolean(),
    deliverySeconds: fc.constantFrom(900, 40),
    msPerFinding: fc.constantFrom(10, 8_000),
  });
}
