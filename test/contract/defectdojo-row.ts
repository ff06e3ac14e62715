import { expect } from "vitest";
import type { Version, Who, World } from "./defectdojo-client.ts";

/** A request and its expected response. */
export type Row = {
  it: string;
  as?: Who;
  ask: (world: World) => [method: string, path: string, body?: unknown];
  status: number;
  /** Expected parts of the response. */
  answer?: (world: World) => object;
  /** Responses of versions before 3.x, if different. */
  other?: Others<Pick<Row, "status" | "answer">>;
};

export type Others<T> = Partial<Record<Exclude<Version, "3.x">, T>>;

/** The expectation for this server's version. */
export function expectedOf<T extends object, U extends object>(
  world: World,
  row: T & { other?: Others<U> },
): T | (T & U) {
  const other = world.version === "3.x" ? undefined : row.other?.[world.version];
  return other === undefined ? row : { ...row, ...other };
}

/** The same on both versions of 2.x. */
export const on2x = <T>(other: T): Others<T> => ({ "2.34": other, "2.58": other });

/** Paths that a version lacks, such as `cicd_infrastructure/`. */
export const NOT_THERE = on2x({ status: 404, answer: () => ({}) });

export async function checkRow(world: World, row: Row, as: Who): Promise<void> {
  const [method, path, body] = row.ask(world);
  const answer = await world.client.request(method, path, body, row.as ?? as);
  const expected = expectedOf(world, row);
  expect({ status: answer.status, body: answer.body ?? {} }).toMatchObject({
    status: expected.status,
    body: expected.answer?.(world) ?? {},
  });
}

export const page = (count: number, results: unknown[]) => ({ count, next: null, previous: null, results });
