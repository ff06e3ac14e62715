import { requireSuperuser } from "../auth.ts";
import { type Call, forbidden, type Reply } from "../http.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

export function listSystemSettings(state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  return paged(call, [{ id: 1, ...DEFAULTS, ...state.systemSettings }], (row) => row);
}

export function updateSystemSettings(state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  Object.assign(state.systemSettings, call.body);
  return { status: 200, body: { id: 1, ...DEFAULTS, ...state.systemSettings } };
}

const DEFAULTS = {
  delete_duplicates: false,
  max_dupes: 10,
  email_from: "no-reply@example.com",
  enable_jira: false,
  enable_jira_web_hook: false,
  disable_jira_webhook_secret: false,
  jira_minimum_severity: "Low",
  jira_labels: null,
  add_vulnerability_id_to_jira_label: false,
  enable_github: false,
  enable_slack_notifications: false,
  slack_channel: "",
  slack_token: "",
  slack_username: "",
  enable_msteams_notifications: false,
  msteams_url: "",
  enable_mail_notifications: false,
  mail_notifications_to: "",
  enable_webhooks_notifications: false,
  webhooks_notifications_timeout: 10,
  enforce_verified_status: true,
  enforce_verified_status_jira: true,
  enforce_verified_status_product_grading: true,
  enforce_verified_status_metrics: true,
  false_positive_history: false,
  retroactive_false_positive_history: false,
  url_prefix: "",
  team_name: "",
  enable_product_grade: false,
  product_grade_a: 90,
  product_grade_b: 80,
  product_grade_c: 70,
  product_grade_d: 60,
  product_grade_f: 59,
  enable_product_tag_inheritance: false,
  enable_benchmark: true,
  enable_similar_findings: true,
  engagement_auto_close: false,
  engagement_auto_close_days: 3,
  enable_finding_sla: true,
  enable_notify_sla_active: false,
  enable_notify_sla_active_verified: false,
  enable_notify_sla_jira_only: false,
  enable_notify_sla_exponential_backoff: false,
  allow_anonymous_survey_repsonse: false,
  disclaimer_notifications: "",
  disclaimer_reports: "",
  disclaimer_reports_forced: false,
  disclaimer_notes: "",
  risk_acceptance_form_default_days: 180,
  risk_acceptance_notify_before_expiration: 10,
  enable_questionnaires: true,
  enable_checklists: true,
  enable_endpoint_metadata_import: true,
  enable_user_profile_editable: true,
  enable_product_tracking_files: true,
  enable_finding_groups: true,
  enable_ui_table_based_searching: true,
  enable_calendar: true,
  enable_cvss3_display: true,
  enable_cvss4_display: true,
  minimum_password_length: 9,
  maximum_password_length: 48,
  number_character_required: true,
  special_character_required: true,
  lowercase_character_required: true,
  uppercase_character_required: true,
  non_common_password_required: true,
  api_expose_error_details: false,
  filter_string_matching: false,
};
