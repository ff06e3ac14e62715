import { describe, expect, it } from "vitest";
import { type Notification, parseNotification } from "../../../lib/ingest/notifications.ts";
import { MOST_PIECES, pack, splitTooMany } from "../../../lib/ingest/raw-notifications.ts";
import { s3Record } from "../../helpers/events.ts";

const records = (count: number, start = 0) =>
  Array.from({ length: count }, (_, i) => s3Record({ key: `scan-${start + i}/findings.json` }));
const piecesOf = (count: number): Notification[] => parseNotification({ Records: records(count) });

describe("the pieces of a notification", () => {
  it.each([0, 1, MOST_PIECES])("are all worked on where there are %d", (count) => {
    const pieces = piecesOf(count);
    expect(splitTooMany(pieces, () => true)).toEqual({ now: pieces, tooMany: [] });
  });

  it("beyond the limit are told apart, with an error that says how many there are", () => {
    const pieces = piecesOf(MOST_PIECES + 5);
    const { now, tooMany } = splitTooMany(pieces, () => true);
    expect(now).toEqual(pieces.slice(0, MOST_PIECES));
    expect(tooMany).toMatchObject([{ messageId: undefined, pieces: pieces.slice(MOST_PIECES) }]);
    expect(tooMany[0]?.error).toMatchObject({ reason: "event-invalid", errorClass: "permanent" });
    expect(tooMany[0]?.error.message).toContain("1005 pieces, more than 1000");
  });

  it("that take no requests do not count, and keep their places", () => {
    const pieces = piecesOf(3_000);
    const isWork = (one: Notification) => pieces.indexOf(one) % 3 === 0;
    expect(splitTooMany(pieces, isWork)).toEqual({ now: pieces, tooMany: [] });
  });

  it("are counted for each message of a batch", () => {
    const some = (messageId: string, count: number) => piecesOf(count).map((one) => ({ ...one, messageId }));
    const { now, tooMany } = splitTooMany([...some("a", 800), ...some("b", 1_001), ...some("c", 800)], () => true);
    expect(now).toHaveLength(2_600);
    expect(tooMany.map(({ messageId, pieces }) => [messageId, pieces.length])).toEqual([["b", 1]]);
  });
});

describe("pieces that are dead-lettered", () => {
  it("are notifications that can be read again, each as large as a message may be, and none is lost", () => {
    const pieces = piecesOf(2_500);
    const bodies = pack(pieces);
    expect(bodies.length).toBeLessThan(10);
    for (const body of bodies) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(240 * 1024);
    expect(bodies.flatMap((body) => parseNotification(JSON.parse(body)))).toEqual(pieces);
  });

  it("that are larger than a message are cut, and leave the others readable", () => {
    const [first, second] = piecesOf(2);
    const large: Notification = { raw: "😀".repeat(300_000), ignored: "" };
    const bodies = pack([first, large, second].flatMap((one) => one ?? []));
    expect(bodies.map((body) => Buffer.byteLength(body) <= 240 * 1024)).toEqual([true, true]);
    const readable = bodies.filter((body) => body.startsWith("{"));
    expect(readable.flatMap((body) => parseNotification(JSON.parse(body)))).toEqual([first, second]);
  });

  it("of none are none", () => {
    expect(pack([])).toEqual([]);
  });
});
