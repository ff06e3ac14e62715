import { RelayError } from "../errors.ts";
import type { DojoFinding, FindingPage } from "../ports/dojo-finding.ts";
import { type DojoApi, idGroups, type Query } from "./api.ts";
import { listGuard } from "./list-guard.ts";
import { deniesMode, type LocationModes } from "./location-modes.ts";
import { type LocationMode, locate, locateEndpoints } from "./locations.ts";
import { findingsPage, type ParserColumns, type RawFinding } from "./schemas.ts";

/** How many location modes are tried for a page: the server may be switched once during a read, hardly more often. */
const MOST_MODES = 3;

/**
 * A page in the server's location mode, which is detected again if the response does not fit the known one.
 * @throws RelayError `read-unstable` if the mode differs each time
 */
export async function readPage(api: DojoApi, modes: LocationModes, query: Query): Promise<FindingPage> {
  let mode = await modes.current();
  for (let tried = 1; tried <= MOST_MODES; tried++) {
    const read = await readPageIn(api, mode, query).catch((error: unknown) => {
      if (!deniesMode(error)) throw error;
      return { refusal: error };
    });
    if ("page" in read && !read.unlocated) return read.page;
    const now = await modes.again(mode);
    if (now === mode && "refusal" in read) throw read.refusal;
    if (now === mode && "page" in read) return read.page;
    mode = now;
  }
  throw new RelayError("read-unstable", `findings/: the server's location mode changes while it is read`, {
    object: "findings/",
  });
}

async function readPageIn(api: DojoApi, mode: LocationMode, query: Query) {
  const answer = await api.get("findings/", { ...query, ...alongside(mode) }, findingsPage);
  const own = answer.results;
  const ownById = new Map(own.map((finding) => [finding.id, finding]));
  const originalIds = new Set(
    own.flatMap(({ duplicate, duplicate_finding: id }) => (duplicate && id != null ? id : [])),
  );
  const elsewhere = await readByIds(
    api,
    mode,
    [...originalIds].filter((id) => !ownById.has(id)),
  );
  // The first location of an original in another test is enough.
  const originalsElsewhere = elsewhere.findings.map((each) => ({ ...each, endpoints: each.endpoints?.slice(0, 1) }));
  const all = [...own, ...originalsElsewhere];
  const locations =
    mode === "endpoints"
      ? locateEndpoints(all, { ...answer.prefetch?.endpoints, ...elsewhere.endpoints })
      : await locate(api, all, mode);
  const originals = all.filter(({ id }) => originalIds.has(id));
  const convert = (finding: RawFinding) => toFinding(finding, locations.get(finding.id) ?? []);
  const page: FindingPage = {
    total: answer.count,
    findings: own.map(convert),
    originals: new Map(originals.map((finding) => [finding.id, convert(finding)])),
  };
  return { page, unlocated: all.some(({ id, endpoints }) => endpoints?.[0] !== undefined && !locations.has(id)) };
}

/** Findings of any test by their ids; deleted and invisible ones are missing. */
async function readByIds(api: DojoApi, mode: LocationMode, ids: Iterable<number>) {
  const findings: RawFinding[] = [];
  const endpoints: Record<string, unknown> = {};
  for (const group of idGroups(ids)) {
    const answer = await api.get(
      "findings/",
      { id: group, limit: group.split(",").length, ...alongside(mode) },
      findingsPage,
    );
    listGuard("findings/", group.split(",").length)(answer);
    findings.push(...answer.results);
    Object.assign(endpoints, answer.prefetch?.endpoints);
  }
  return { findings, endpoints };
}

const alongside = (mode: LocationMode): Record<string, string> =>
  mode === "endpoints" ? { prefetch: "endpoints" } : {};

/** The fields that only parsers fill in. */
export const parserFields = (raw: ParserColumns) => ({
  uniqueIdFromTool: raw.unique_id_from_tool || undefined,
  vulnIdFromTool: raw.vuln_id_from_tool || undefined,
  filePath: raw.file_path || undefined,
  line: raw.line ?? undefined,
  componentName: raw.component_name || undefined,
  componentVersion: raw.component_version || undefined,
  vulnerabilityIds: (raw.vulnerability_ids ?? []).map(({ vulnerability_id }) => vulnerability_id),
  service: raw.service || undefined,
});

function toFinding(raw: RawFinding, locations: readonly string[]): DojoFinding {
  return {
    id: raw.id,
    testId: raw.test,
    title: raw.title,
    severity: raw.severity,
    description: raw.description,
    mitigation: raw.mitigation,
    references: raw.references,
    createdAt: raw.created,
    ...parserFields(raw),
    duplicate: raw.duplicate,
    duplicateOf: raw.duplicate ? (raw.duplicate_finding ?? undefined) : undefined,
    falsePositive: raw.false_p,
    riskAccepted: raw.risk_accepted,
    outOfScope: raw.out_of_scope,
    mitigated: raw.is_mitigated ?? false,
    active: raw.active ?? false,
    verified: raw.verified ?? false,
    underReview: raw.under_review ?? false,
    mitigatedBy: raw.mitigated_by ?? undefined,
    lastReviewedAt: raw.last_reviewed || undefined,
    lastReviewedBy: raw.last_reviewed_by ?? undefined,
    locations,
  };
}
