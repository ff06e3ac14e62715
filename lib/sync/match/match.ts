/** Matches the scanner's findings to DefectDojo's: {@link matchRow} defines how, {@link relate} does it. */
export { type Match, type Relation, relate, type UnmatchedReason } from "./relate.ts";
export type { DojoFacts, MatchRow } from "./row.ts";
export { matchRow } from "./rows.ts";
