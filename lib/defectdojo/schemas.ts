import * as z from "zod";
import { RelayError } from "../errors.ts";
import { DOJO_SEVERITIES } from "../model/annotations.ts";
import { describeIssues } from "../util/issues.ts";

/** Only the used fields of DefectDojo's responses; null and missing are equivalent. */

const id = z.number().int();
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");

export const named = z.object({ id, name: z.string() });

export const user = z.object({ id, username: text, is_superuser: z.boolean().nullish() });
export const userProfile = z.object({
  user,
  /** Null if it was never saved. */
  user_contact_info: z.object({ block_execution: z.boolean().nullish() }).nullish(),
});

export const product = z.object({ id, name: z.string(), prod_type: id });

export const engagement = z.object({
  id,
  name: text,
  version: text,
  product: id,
  active: z.boolean().nullish(),
  status: text,
});

export const test = z.object({
  id,
  title: text,
  test_type_name: text,
  scan_type: text,
  engagement: id,
  build_id: text,
  percent_complete: z
    .number()
    .nullish()
    .transform((value) => value ?? 0),
  created: z.string().nullish(),
  estimated_time: z.unknown().optional(),
});
export type RawTest = z.output<typeof test>;

const number = z.number().int();
const statisticsTotal = z.object({ total: number });

/** `statistics.after` of an import: the test's findings by severity and in all. */
export const importStatistics = z.object({
  info: statisticsTotal,
  low: statisticsTotal,
  medium: statisticsTotal,
  high: statisticsTotal,
  critical: statisticsTotal,
  total: z.object({
    total: number,
    active: number,
    duplicate: number,
    false_p: number,
    risk_accepted: number,
    out_of_scope: number,
    is_mitigated: number,
  }),
});

export const importAnswer = z.object({
  test_id: id.nullish(),
  test: id.nullish(),
  deduplication_complete: z.boolean().nullish(),
  statistics: z
    .object({ after: z.looseObject({ total: z.looseObject({ total: number }) }).nullish() })
    .nullish()
    .catch(undefined),
});

/** Columns of a finding that only parsers fill in. */
export const parserColumns = z.object({
  unique_id_from_tool: text,
  vuln_id_from_tool: text,
  file_path: text,
  line: z.number().nullish(),
  component_name: text,
  component_version: text,
  vulnerability_ids: z.array(z.object({ vulnerability_id: z.string() })).nullish(),
  service: text,
});
export type ParserColumns = z.infer<typeof parserColumns>;

export const finding = z.object({
  id,
  test: id,
  title: text,
  severity: z.enum(DOJO_SEVERITIES).catch("Info"),
  description: text,
  mitigation: text,
  references: text,
  created: z.string(),
  ...parserColumns.shape,
  duplicate: z.boolean(),
  duplicate_finding: id.nullish(),
  false_p: z.boolean(),
  risk_accepted: z.boolean(),
  out_of_scope: z.boolean(),
  is_mitigated: z.boolean().nullish(),
  active: z.boolean().nullish(),
  verified: z.boolean().nullish(),
  under_review: z.boolean().nullish(),
  mitigated_by: id.nullish(),
  last_reviewed: text,
  last_reviewed_by: id.nullish(),
  endpoints: z.array(id).nullish(),
});
export type RawFinding = z.infer<typeof finding>;

/** `related_fields=true` of a finding: the objects above it. */
export const relatedProduct = z.object({
  related_fields: z.object({
    test: z.object({
      engagement: z.object({ product: z.object({ id, name: z.string(), prod_type: z.object({ id }) }) }),
    }),
  }),
});

/** 2.x, and 3.x with the locations feature off. */
export const endpoint = z.object({
  id,
  protocol: text,
  host: text,
  port: z.number().nullish(),
  path: text,
  query: text,
  fragment: text,
});

/** 3.x: the link between a finding and a location, whose id `finding.endpoints` holds. */
const locationFinding = z.object({ id, location: id });
export const location = z.object({ id, location_type: text, location_value: text });

export const counted = z.object({ count: z.number().int() });

/** A page of a list: the total, this page's objects, and prefetched objects by id. */
export const page = <T extends z.ZodType>(item: T) => z.object({ count: z.number().int(), results: z.array(item) });

/** A page of findings; requested endpoints come with it, by id. */
export const findingsPage = page(finding).extend({
  prefetch: z.object({ endpoints: z.record(z.string(), z.unknown()).optional() }).optional(),
});

/** A page of links; requested locations come with it, by id. */
export const linksPage = page(locationFinding).extend({
  prefetch: z.object({ location: z.record(z.string(), location).optional() }).optional(),
});

/**
 * @param what `METHOD /path`, for the error
 * @throws RelayError `dojo-answer-invalid`, naming each unexpected field
 */
export function parseAnswer<T extends z.ZodType>(schema: T, body: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new RelayError(
    "dojo-answer-invalid",
    `${what}: not a response of DefectDojo: ${describeIssues(parsed.error)}`,
    {
      object: what,
    },
  );
}
