import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RECEIVED_TOO_OFTEN } from "../../cli/dlq/dead-letter.ts";
import { describeError, REASONS, type Reason, RelayError, toRelayError } from "../../lib/errors.ts";
import { rememberSecrets } from "../../lib/util/secrets.ts";

const CLASSES: Readonly<Record<"permanent" | "transient" | "unknown", readonly Reason[]>> = {
  permanent: [
    "event-invalid",
    "job-invalid",
    "sidecar-invalid",
    "sidecar-too-large",
    "findings-invalid",
    "findings-too-large",
    "raw-result-missing",
    "raw-result-too-large",
    "dojo-rejected",
    "dojo-forbidden",
    "dojo-not-found",
    "dojo-too-large",
    "dojo-redirected",
    "dojo-tls",
    "dojo-answer-invalid",
    "dojo-answer-too-large",
    "import-refused",
    "report-refused",
    "webhook-refused",
    "import-incomplete",
    "product-type-missing",
    "user-missing",
    "storage-forbidden",
    "storage-rejected",
    "storage-missing",
    "storage-precondition",
    "failures-exhausted",
    "config-invalid",
    "data-directory-unusable",
    "cluster-refused",
  ],
  transient: [
    "sidecar-missing",
    "findings-missing",
    "dojo-busy",
    "dojo-conflict",
    "dojo-gate",
    "dojo-not-json",
    "dojo-unavailable",
    "dojo-unreachable",
    "dojo-timeout",
    "deduplication-unfinished",
    "waits-exhausted",
    "read-unstable",
    "storage-unavailable",
    "key-unavailable",
    "queue-unavailable",
    "webhook-unavailable",
    "cluster-unavailable",
    "internal",
  ],
  unknown: ["import-unknown"],
};
const sorted = Object.entries(CLASSES).flatMap(([errorClass, reasons]) =>
  reasons.map((reason) => [reason, errorClass] as const),
);

describe("the table of reasons", () => {
  it.each(sorted)("%s is %s and has advice in a sentence", (reason, errorClass) => {
    const error = new RelayError(reason, "message");
    expect(error.errorClass).toBe(errorClass);
    expect(error.advice).toBe(REASONS[reason][1]);
    expect(error.advice).toMatch(/^[A-Z].{10,}\.$/);
  });

  it("is covered in full by these tests", () => {
    expect(sorted.map(([reason]) => reason).sort()).toEqual(Object.keys(REASONS).sort());
  });
});

describe("the runbook", () => {
  const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith("Reasons in the dead-letter queue\n")) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  const documented = rows.flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`([a-z-]+)`/g)]);

  it("explains every reason once, and no other", () => {
    const reasons = [...Object.keys(REASONS), RECEIVED_TOO_OFTEN];
    expect(documented.map(([, reason = ""]) => reason).sort()).toEqual(reasons.sort());
  });
});

describe("RelayError", () => {
  it("keeps what it is about, the status, the wait that was asked for and the cause", () => {
    const cause = new Error("socket hang up");
    const error = new RelayError("dojo-busy", "slow down", {
      object: "GET /api/v2/tests/",
      status: 429,
      retryAfterSeconds: 7,
      cause,
    });
    expect(error).toMatchObject({
      name: "RelayError",
      message: "slow down",
      reason: "dojo-busy",
      object: "GET /api/v2/tests/",
      status: 429,
      retryAfterSeconds: 7,
    });
    expect(error.cause).toBe(cause);
  });

  it("has no cause of its own where none was given", () => {
    expect("cause" in new RelayError("internal", "x")).toBe(false);
  });
});

describe("toRelayError", () => {
  it("leaves one of ours as it is", () => {
    const error = new RelayError("dojo-busy", "x");
    expect(toRelayError(error, "s3://b/k")).toBe(error);
  });

  it.each([
    [new TypeError("x is not a function"), "x is not a function"],
    ["a text", "a text"],
    [undefined, "undefined"],
    [null, "null"],
    [Object.create(null), "[object Object]"],
  ])("makes %o an internal error that is retried", (thrown, message) => {
    const error = toRelayError(thrown, "s3://b/k");
    expect(error).toMatchObject({ reason: "internal", errorClass: "transient", object: "s3://b/k", message });
  });
});

describe("describeError", () => {
  it("names the error, its causes and their codes in one line", () => {
    const cause = Object.assign(new Error("connect\nrefused"), { code: "ECONNREFUSED" });
    const error = new Error("GET failed", { cause: new Error("no answer", { cause }) });
    expect(describeError(error)).toBe("GET failed: no answer: connect refused (ECONNREFUSED)");
  });

  it("takes what is no error", () => {
    expect(describeError("text")).toBe("text");
    expect(describeError(Object.create(null))).toBe("[object Object]");
  });

  it("says once what a message quotes of its cause, code and line breaks included", () => {
    const refused = Object.assign(new Error("connect\nrefused"), { code: "ECONNREFUSED" });
    const quoting = new Error(`GET failed: ${describeError(refused)}`, { cause: refused });
    expect(describeError(quoting)).toBe("GET failed: connect refused (ECONNREFUSED)");
  });

  it("says once what a message quotes of its cause", () => {
    const cause = new Error("HTTP 400: no JSON");
    expect(describeError(new Error("the parser refused it: HTTP 400: no JSON; nothing else is there", { cause }))).toBe(
      "the parser refused it: HTTP 400: no JSON; nothing else is there",
    );
  });

  it("ends with a cause that is its own cause", () => {
    const error = new Error("round");
    error.cause = error;
    expect(describeError(error)).toBe("round");
  });

  it("knows a secret whose blanks would be folded", () => {
    rememberSecrets(["a secret  with\n blanks"]);
    expect(describeError(new Error("echoed: a secret  with\n blanks, twice"))).toBe("echoed: [secret], twice");
  });

  it("is never longer than the limit", () => {
    const line = describeError(new Error("x".repeat(5_000)), 100);
    expect(line).toHaveLength(100);
    expect(line.endsWith("…")).toBe(true);
    expect(describeError(new Error("x".repeat(5_000)))).toHaveLength(1_000);
  });
});
