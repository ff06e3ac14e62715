/** Which finding of the scanner is which of DefectDojo's: {@link matchRow} says how they know each other, {@link relate} relates them. */
export { type Match, type Relation, relate, type UnmatchedReason } from "./relate.ts";
export type { DojoFacts, MatchRow } from "./row.ts";
export { matchRow } from "./rows.ts";
