import { expect } from "vitest";
import type { Who, World } from "./defectdojo-client.ts";

/** A request and what is expected of its answer. */
export type Row = {
  it: string;
  as?: Who;
  ask: (world: World) => [method: string, path: string, body?: unknown];
  status: number;
  /** Parts of the answer. */
  answer?: (world: World) => object;
};

export async function checkRow(world: World, row: Row, as: Who): Promise<void> {
  const [method, path, body] = row.ask(world);
  const answer = await world.client.request(method, path, body, row.as ?? as);
  expect({ status: answer.status, body: answer.body }).toMatchObject({
    status: row.status,
    body: row.answer?.(world) ?? expect.anything(),
  });
}

export const page = (count: number, results: unknown[]) => ({ count, next: null, previous: null, results });
