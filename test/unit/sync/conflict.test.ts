import { describe, expect, it } from "vitest";
import { Deferral } from "../../../lib/deferral.ts";
import { RelayError } from "../../../lib/errors.ts";
import { ownMetadata } from "../../../lib/model/receipt.ts";
import { afterConflict } from "../../../lib/sync/conflict.ts";
import { aJob, FINDINGS } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { relayErrorBy, thrownBy } from "../../helpers/thrown.ts";

const JOB = aJob();
const URI = "s3://securecodebox/scan-abc/findings.json";
const refused = new RelayError("storage-precondition", `${URI}: 412`, { object: URI, status: 412 });

describe("a condition on the findings that did not hold", () => {
  it("ends the job where another wrote them", async () => {
    const storage = memoryStorage();
    storage.put(FINDINGS, "[1]");
    expect(await afterConflict(refused, JOB, "e", storage)).toMatchObject({ outcome: "superseded" });
  });

  it("ends the job where they were deleted", async () => {
    expect(await afterConflict(refused, JOB, "e", memoryStorage())).toMatchObject({
      outcome: "superseded",
      why: `${URI} was deleted`,
    });
  });

  it("hands the job back where it wrote them itself", async () => {
    const storage = memoryStorage();
    storage.put(FINDINGS, "[1]", ownMetadata(JOB));
    const error = await thrownBy(() => afterConflict(refused, JOB, "e", storage));
    expect(error).toBeInstanceOf(Deferral);
  });

  it("is tried again where they are as they were", async () => {
    const storage = memoryStorage();
    const etag = storage.put(FINDINGS, "[1]");
    const error = await relayErrorBy(() => afterConflict(refused, JOB, etag, storage));
    expect(error).toMatchObject({ reason: "storage-unavailable", object: URI, cause: refused });
  });

  it.each([
    new RelayError("storage-precondition", "x", { object: "s3://securecodebox/scan-abc/defectdojo.json" }),
    new RelayError("storage-unavailable", "x", { object: URI }),
    new TypeError("x"),
  ])("is nothing else: %s is thrown on", async (error) => {
    expect(await thrownBy(() => afterConflict(error, JOB, "e", memoryStorage()))).toBe(error);
  });
});
