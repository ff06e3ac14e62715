/** The stand-in's tables, named as in DefectDojo's API; a row is the GET response without computed fields. */

export type User = {
  id: number;
  username: string;
  first_name: string;
  last_name: string;
  email: string;
  date_joined: string;
  is_staff: boolean;
  is_superuser: boolean;
};

export type ProductType = {
  id: number;
  created: string | null;
  updated: string | null;
  name: string;
  description: string | null;
  critical_product: boolean;
  key_product: boolean;
  authorized_users: number[];
};

export type Product = {
  id: number;
  created: string;
  name: string;
  description: string;
  prod_type: number;
  authorized_users: number[];
  tags: string[];
  /** Columns that the stand-in stores and returns but never uses. */
  rest: Record<string, unknown>;
};

export type Engagement = {
  id: number;
  created: string;
  updated: string;
  name: string | null;
  description: string | null;
  version: string | null;
  target_start: string;
  target_end: string;
  active: boolean;
  status: string;
  engagement_type: string;
  build_id: string | null;
  commit_hash: string | null;
  branch_tag: string | null;
  source_code_management_uri: string | null;
  deduplication_on_engagement: boolean;
  lead: number | null;
  product: number;
  cicd_scm_server: number | null;
  cicd_build_server: number | null;
  cicd_orchestration_engine: number | null;
  threat_model: boolean;
  api_test: boolean;
  pen_test: boolean;
  check_list: boolean;
  tags: string[];
};

export type TestType = { id: number; name: string; static_tool: boolean; dynamic_tool: boolean; active: boolean };

export type Test = {
  id: number;
  engagement: number;
  test_type: number;
  scan_type: string | null;
  title: string | null;
  description: string | null;
  target_start: string;
  target_end: string;
  percent_complete: number | null;
  updated: string;
  created: string;
  version: string | null;
  build_id: string | null;
  commit_hash: string | null;
  branch_tag: string | null;
  lead: number | null;
  environment: number | null;
  tags: string[];
};

export type ImportAction = {
  id: number;
  created: string;
  modified: string;
  /** N: created, C: closed, R: reactivated, U: untouched */
  action: "N" | "C" | "R" | "U";
  finding: number;
};

export type TestImport = {
  id: number;
  created: string;
  modified: string;
  import_settings: Record<string, unknown>;
  type: "import" | "reimport";
  version: string | null;
  build_id: string | null;
  commit_hash: string | null;
  branch_tag: string | null;
  test: number;
  actions: ImportAction[];
};

export const SEVERITIES = ["Info", "Low", "Medium", "High", "Critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The columns of a finding that come from the report. */
export type ReportedFinding = {
  title: string;
  severity: Severity;
  description: string;
  date: string | null;
  mitigated: string | null;
  cwe: number;
  cwes: number[];
  vulnerability_ids: string[];
  epss_score: number | null;
  epss_percentile: number | null;
  known_exploited: boolean;
  ransomware_used: boolean;
  kev_date: string | null;
  cvssv3: string | null;
  cvssv3_score: number | null;
  cvssv4: string | null;
  cvssv4_score: number | null;
  url: string | null;
  mitigation: string | null;
  fix_available: boolean | null;
  fix_version: string | null;
  impact: string | null;
  steps_to_reproduce: string | null;
  severity_justification: string | null;
  references: string | null;
  active: boolean;
  verified: boolean;
  false_p: boolean;
  out_of_scope: boolean;
  risk_accepted: boolean;
  under_review: boolean;
  is_mitigated: boolean;
  thread_id: number;
  param: string | null;
  payload: string | null;
  line: number | null;
  file_path: string | null;
  component_name: string | null;
  component_version: string | null;
  static_finding: boolean;
  dynamic_finding: boolean;
  scanner_confidence: number | null;
  unique_id_from_tool: string | null;
  vuln_id_from_tool: string | null;
  sast_source_object: string | null;
  sast_sink_object: string | null;
  sast_source_line: number | null;
  sast_source_file_path: string | null;
  nb_occurences: number | null;
  publish_date: string | null;
  service: string | null;
  planned_remediation_date: string | null;
  planned_remediation_version: string | null;
  effort_for_fixing: string | null;
  tags: string[];
};

export type Finding = ReportedFinding & {
  id: number;
  test: Test;
  date: string;
  created: string;
  updated: string;
  last_status_update: string;
  last_reviewed: string;
  mitigated_by: number | null;
  reporter: number;
  last_reviewed_by: number;
  found_by: number[];
  hash_code: string;
  duplicate: boolean;
  duplicate_finding: number | null;
  /** Ids of `location_findings` or, in endpoints mode, of `endpoints`. */
  endpoints: number[];
  requestResponses: { request: string; response: string }[];
  group: FindingGroup | null;
};

export type FindingGroup = { id: number; name: string; test: number; jira_issue: null };

/** An endpoint or location from a parser. */
export type Place = {
  protocol: string;
  userinfo: string;
  host: string;
  port: number | null;
  path: string;
  query: string;
  fragment: string;
};

export type Location = Place & { id: number; created: string; updated: string; value: string; badHost: boolean };

/** `location_findings`: links findings to locations. */
export type LocationFinding = { id: number; created: string; updated: string; location: number; finding: number };

/** `location_products`, which `endpoints/` lists in locations mode. */
export type LocationProduct = { id: number; created: string; updated: string; location: number; product: number };

export type Endpoint = Omit<Place, "userinfo"> & {
  id: number;
  userinfo: string | null;
  product: number;
  findings: number[];
};
