/** The differences between the recorded versions of DefectDojo; `test/contract` checks each against its recordings. */
export type Profile = {
  /** `V3_FEATURE_LOCATIONS`; 2.x has endpoints only. */
  mode: "locations" | "endpoints";
  /** `percent_complete` of a test while its import runs and after the import fails. 100 before 2.35. */
  percentAtStart: 50 | 100;
  /** `deduplication_execution_mode` and `deduplication_complete`, from 3.1 on. */
  asyncWait: boolean;
  missingScanTypes: readonly string[];
  /** Paths below `/api/v2/` that this version lacks. */
  missingPaths: readonly string[];
  /** Allowed values of `group_by`. */
  groupings: readonly string[];
  /** Fields that a generic finding must not have; any of them causes the report to be rejected. */
  unknownFindingFields: readonly string[];
  /** Status of an import into a missing environment. */
  unknownEnvironment: 400 | 500;
  /** Access by roles (2.x: the low-privileged user is a Maintainer) instead of `authorized_users`. */
  roles: boolean;
  /** The test type of a generic report without a type. */
  genericTestType: string;
  /** Whether a finding's date in a generic report may include a time. */
  takesDateTimes: boolean;
  /** Status for an invalid date: 400 if it is rejected, 500 if the importer crashes. */
  badDate: 400 | 500;
  /** Whether accepting a risk via the API updates its findings and so their `last_status_update`. */
  acceptanceMarks: boolean;
  /** Whether closing a finding ends its review. */
  closingEndsReview: boolean;
  /** Whether a note via the API counts as a review of its finding. */
  notesReview: boolean;
  /** Whether a reimport that tags findings also tags those that it closes. */
  tagsClosed: boolean;
  /** The name for unchanged findings in the statistics of a reimport. */
  untouched: string;
  /** Whether the first reimport, which creates the test, closes findings of earlier tests in the engagement. */
  firstReimportCloses: boolean;
  /** Whether a reimport leaves an inactive accepted risk unchanged when it is found again, instead of closing it. */
  sparesAccepted: boolean;
  /** The settings that an import record contains; null: all. */
  recordedSettings: readonly string[] | null;
  /** Version, branch and commit of a test if the import sets none. */
  noText: "" | null;
  shapes: Shapes;
};

/** By resource: fields that its rows lack compared to 3.2, and fields they have instead or in addition (a name in the row, or a value). */
export type Shapes = Readonly<Record<string, Shape>>;
export type Shape = {
  without?: readonly string[];
  with?: Readonly<Record<string, unknown>>;
  renamed?: Readonly<Record<string, string>>;
};

const GROUPINGS = ["component_name", "component_name+component_version", "file_path", "finding_title"];
const GENERIC = "Generic Findings Import";
const NEW_SCAN_TYPES = ["WhatWeb Scan", "ffuf Scan"];

const ENDPOINTS: Profile = {
  mode: "endpoints",
  percentAtStart: 50,
  asyncWait: true,
  missingScanTypes: [],
  missingPaths: [],
  groupings: [...GROUPINGS, "vuln_id_from_tool"],
  unknownFindingFields: [],
  unknownEnvironment: 400,
  roles: false,
  genericTestType: GENERIC,
  takesDateTimes: true,
  badDate: 400,
  acceptanceMarks: true,
  closingEndsReview: true,
  notesReview: true,
  tagsClosed: false,
  untouched: "untouched",
  firstReimportCloses: false,
  sparesAccepted: true,
  recordedSettings: null,
  noText: "",
  shapes: {},
};

const MEMBERS: Shape = { without: ["authorized_users"], with: { members: [], authorization_groups: [] } };
const CICD_FIELDS = {
  cicd_build_server: "build_server",
  cicd_scm_server: "source_code_management_server",
  cicd_orchestration_engine: "orchestration_engine",
};
const ROLE_LISTS = { global_role: null, dojo_group_member: [], product_type_member: [], product_member: [] };
const WITHOUT_MODE = ["deduplication_execution_mode", "deduplication_complete", "scan_date"];

const V2_58: Profile = {
  ...ENDPOINTS,
  asyncWait: false,
  missingScanTypes: NEW_SCAN_TYPES,
  missingPaths: ["cicd_infrastructure"],
  unknownFindingFields: ["cwes"],
  roles: true,
  tagsClosed: true,
  shapes: {
    user_profile: { with: ROLE_LISTS },
    user: { without: ["is_staff"] },
    product_types: MEMBERS,
    products: MEMBERS,
    engagements: { renamed: CICD_FIELDS },
    tests: { without: ["deduplication_algorithm", "hash_code_fields"] },
    findings: { without: ["cwes"] },
    "import-scan": { without: WITHOUT_MODE },
    "reimport-scan": { without: WITHOUT_MODE },
  },
};

const V2_34: Profile = {
  ...V2_58,
  percentAtStart: 100,
  groupings: GROUPINGS,
  unknownEnvironment: 500,
  genericTestType: `${GENERIC} Scan (${GENERIC})`,
  takesDateTimes: false,
  badDate: 500,
  acceptanceMarks: false,
  closingEndsReview: false,
  notesReview: false,
  untouched: "left untouched",
  firstReimportCloses: true,
  sparesAccepted: false,
  recordedSettings: ["tags", "active", "verified", "push_to_jira", "minimum_severity", "close_old_findings"],
  noText: null,
  shapes: {
    ...V2_58.shapes,
    user: { without: ["is_staff", "date_joined", "token_last_reset", "password_last_reset"] },
    tests: { ...V2_58.shapes.tests, with: { estimated_time: null, actual_time: null } },
    findings: {
      without: [
        ...["cwes", "cvssv4", "cvssv4_score", "fix_available", "fix_version", "kev_date", "known_exploited"],
        ...["ransomware_used", "updated"],
      ],
    },
    "import-scan": { without: WITHOUT_MODE, with: { file: null } },
    "reimport-scan": { without: WITHOUT_MODE, with: { file: null } },
    close: { without: ["mitigated_by", "note_type"] },
    risk_acceptance: {
      without: ["decision", "recommendation"],
      with: {
        decision: "Accept (The risk is acknowledged, yet remains)",
        recommendation: "Fix (The risk is eradicated)",
      },
    },
    error: { without: ["pro"] },
    // The message contains Django's own exception next to that of its REST framework.
    missing: { renamed: { detail: "message" }, with: { detail: "Not found." } },
    "engagements list": { with: { prefetch: {} } },
  },
};

export const PROFILES: Readonly<Record<string, Profile>> = {
  "2.34": V2_34,
  "2.58": V2_58,
  "3.2-endpoints": ENDPOINTS,
  "3.2-locations": { ...ENDPOINTS, mode: "locations" },
};

/** @throws Error for an unknown name; it lists the profiles */
export function profileNamed(name: string): Profile {
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined;
  if (profile !== undefined) return profile;
  throw new Error(`unknown profile ${JSON.stringify(name)}; there are ${Object.keys(PROFILES).join(", ")}`);
}
