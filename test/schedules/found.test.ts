import { describe, it } from "vitest";
import { play, useTemporaryFolder } from "./play.ts";
import type { Schedule, UploadPlan } from "./schedule.ts";

const UPLOAD: UploadPlan = { at: 0, folder: 0, kind: "generic", content: 0, run: 0, product: 0, notices: 1 };
const SCHEDULE: Schedule = {
  ...{
    seed: 1,
    uploads: [UPLOAD],
    faults: [],
    syncBack: true,
    merge: false,
    replaceFewer: false,
    lowPrivileged: false,
    asyncWait: true,
  },
  ...{ eventMetadata: false, deliverySeconds: 900, msPerFinding: 10 },
};

/** Schedules that once failed, by their fault. */
const FOUND: Readonly<Record<string, Partial<Schedule>>> = {
  "the same content uploaded again within five minutes is synced again": {
    uploads: [UPLOAD, { ...UPLOAD, at: 30 }],
  },
  "a later run with the same findings, uploaded before the first was imported, is imported too": {
    eventMetadata: true,
    uploads: [UPLOAD, { ...UPLOAD, at: 2, run: 1 }],
  },
  "a third run with the first's findings is imported, and the first's test left alone": {
    uploads: [UPLOAD, { ...UPLOAD, at: 600, content: 1, run: 1 }, { ...UPLOAD, at: 1_200, run: 2 }],
  },
  "a job that waited often and whose message could not be deleted is done, not failed": {
    asyncWait: false,
    deliverySeconds: 40,
    faults: [
      { kind: "die-before", call: 0, on: "dojo importScan", seconds: 0 },
      { kind: "die-before", call: 0, on: "sqs queue delete", seconds: 0 },
    ],
  },
  "a job that another delivery ends, and its waits with it, while its deaths are counted is done, not failed": {
    ...{ seed: 286_310_715, lowPrivileged: true, asyncWait: false, deliverySeconds: 40, msPerFinding: 8_000 },
    uploads: [UPLOAD, { ...UPLOAD, kind: "unreadable", notices: 2 }],
    faults: [{ kind: "expire", call: 0, on: "s3 PUT scan-0/defectdojo.json", seconds: 0 }],
  },
};

describe("schedules that went wrong once", () => {
  useTemporaryFolder();
  it.each(Object.entries(FOUND))("%s", (_, schedule) => play({ ...SCHEDULE, ...schedule }));
});
