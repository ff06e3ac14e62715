import { beforeAll, it } from "vitest";
import { createWorld, engagementOf, type Server, type World } from "./defectdojo-client.ts";
import { checkRow, page, type Row } from "./defectdojo-row.ts";

const missing = (name: string) => ({ [name]: ["This field is required."] });
const badChoice = "Select a valid choice. That choice is not one of the available choices.";

const ROWS: Row[] = [
  {
    it: "finds engagements by exact name and version",
    ask: (w) => ["GET", `/engagements/?product=${w.product}&name=nightly&version=1`],
    status: 200,
    answer: (w) => page(1, [{ id: w.engagement, name: "nightly", version: "1", status: "Not Started", active: true }]),
  },
  {
    it: "finds no engagement by a part of its name",
    ask: (w) => ["GET", `/engagements/?product=${w.product}&name=night`],
    status: 200,
    answer: () => page(0, []),
  },
  {
    it: "refuses to look in no such product",
    ask: () => ["GET", "/engagements/?product=99999999"],
    status: 400,
    answer: () => ({ product: [badChoice] }),
  },
  {
    it: "refuses an engagement that ends before it starts",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), target_end: "2025-01-01" }],
    status: 400,
    answer: () => ({ non_field_errors: ["Your target start date exceeds your target end date"] }),
  },
  {
    it: "refuses an engagement without dates",
    ask: (w) => ["POST", "/engagements/", { name: "x", product: w.product }],
    status: 400,
    answer: () => ({ ...missing("target_start"), ...missing("target_end") }),
  },
  {
    it: "refuses an engagement with a time for a date",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), target_start: "2026-01-01T00:00:00Z" }],
    status: 400,
    answer: () => ({ target_start: ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."] }),
  },
  {
    it: "refuses an engagement with an unknown lead",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), lead: 99_999_999 }],
    status: 400,
    answer: () => ({ lead: ['Invalid pk "99999999" - object does not exist.'] }),
  },
  {
    it: "refuses an engagement with an unknown status",
    ask: (w) => ["POST", "/engagements/", { ...engagementOf(w.product), status: "Nope" }],
    status: 400,
    answer: () => ({ status: ['"Nope" is not a valid choice.'] }),
  },
  {
    it: "changes an engagement",
    ask: (w) => ["PATCH", `/engagements/${w.engagement}/`, { description: "changed", target_end: "2026-02-01" }],
    status: 200,
    answer: (w) => ({ id: w.engagement, description: "changed", target_end: "2026-02-01" }),
  },
  { it: "closes an engagement", ask: (w) => ["POST", `/engagements/${w.engagement}/close/`], status: 200 },
  {
    it: "shows a closed engagement as completed",
    ask: (w) => ["GET", `/engagements/${w.engagement}/`],
    status: 200,
    answer: () => ({ active: false, status: "Completed" }),
  },
  { it: "reopens an engagement", ask: (w) => ["POST", `/engagements/${w.engagement}/reopen/`], status: 200 },
  {
    it: "shows a reopened engagement in progress",
    ask: (w) => ["GET", `/engagements/${w.engagement}/`],
    status: 200,
    answer: () => ({ active: true, status: "In Progress" }),
  },
];

/** Finding, creating, changing and closing engagements. */
export function engagementsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });

  it.each(ROWS)("$it", (row) => checkRow(world, row, "admin"));
}
