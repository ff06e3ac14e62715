import { describe, expect, it } from "vitest";
import { REASONS, type Reason, RelayError } from "../../../lib/errors.ts";
import { deadLetter, type Undeliverable } from "../../../lib/ports/dead-letter.ts";
import { memoryQueue } from "../../helpers/memory-queue.ts";
import "../../helpers/no-network.ts";

const NOW = new Date("2026-11-24T12:00:00Z");
const aside = { body: '{"a":1}', group: "group", attempts: 3, subject: "security/nmap-example" };

async function sent(error: RelayError, changes: Partial<Undeliverable> = {}) {
  const dlq = memoryQueue();
  await deadLetter(dlq, { ...aside, ...changes }, error, NOW);
  const [message] = dlq.sent;
  if (message === undefined) throw new Error("nothing was sent");
  return message;
}

describe("a message that is dead-lettered", () => {
  it("is the message as it was, with reason, class and advice as attributes", async () => {
    const error = new RelayError("dojo-rejected", "HTTP 400: version: too long", { cause: new Error("inner") });
    expect(await sent(error)).toEqual({
      body: '{"a":1}',
      group: "group",
      deduplicationId: expect.stringMatching(/^[\da-f-]{36}$/),
      attributes: {
        reason: "dojo-rejected",
        errorClass: "permanent",
        advice: REASONS["dojo-rejected"][1],
        message: "HTTP 400: version: too long: inner",
        subject: "security/nmap-example",
        attempts: "3",
        failedAt: "2026-11-24T12:00:00.000Z",
      },
    });
  });

  it("is never one that was dead-lettered before", async () => {
    const error = new RelayError("internal", "x");
    expect((await sent(error)).deduplicationId).not.toBe((await sent(error)).deduplicationId);
  });

  it("is the same again where its sender repeats it, for the same reason", async () => {
    const error = new RelayError("internal", "x");
    const repeated = { repeated: true };
    const idOf = async (of: RelayError, changes: Partial<Undeliverable>) => (await sent(of, changes)).deduplicationId;
    const first = await idOf(error, repeated);
    expect(first).toMatch(/^[\da-f]{64}$/);
    expect(await idOf(new RelayError("internal", "another message"), repeated)).toBe(first);
    expect(await idOf(new RelayError("event-invalid", "x"), repeated)).not.toBe(first);
    expect(await idOf(error, { ...repeated, body: "another" })).not.toBe(first);
  });

  it.each(Object.keys(REASONS) as Reason[])("has attributes that SQS takes for %s", async (reason) => {
    const nasty = `\u0000\u0007\ufffe\uffff\ud800é😀${"x".repeat(5_000)}`;
    const { attributes = {} } = await sent(new RelayError(reason, nasty), { subject: nasty });
    expect(Object.keys(attributes).length).toBeLessThanOrEqual(10);
    for (const value of Object.values(attributes)) {
      expect(value).toMatch(/^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u);
      expect(value.length).toBeLessThanOrEqual(1_000);
    }
    expect(attributes.message).toContain("é😀");
  });
});
