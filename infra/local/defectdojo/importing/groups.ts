import type { Finding, Test } from "../model.ts";
import type { State } from "../state.ts";

/** How findings are grouped for each value of `group_by`. */
const NAMES: Record<string, (finding: Finding) => string | null> = {
  component_name: (f) => f.component_name,
  "component_name+component_version": (f) =>
    f.component_name || f.component_version ? `${f.component_name ?? "None"}:${f.component_version ?? "None"}` : null,
  file_path: (f) => (f.file_path ? `Filepath ${f.file_path}` : null),
  finding_title: (f) => f.title,
  vuln_id_from_tool: (f) => (f.vuln_id_from_tool ? `Vulnerability ID ${f.vuln_id_from_tool}` : null),
};

export function groupFindings(
  state: State,
  test: Test,
  findings: readonly Finding[],
  groupBy: unknown,
  single: boolean,
): void {
  const nameOf = NAMES[String(groupBy)];
  if (nameOf === undefined) return;
  const byName = Map.groupBy(findings, (finding) => nameOf(finding) ?? "");
  for (const [name, members] of byName) {
    if (name === "" || (members.length === 1 && !single)) continue;
    const group = {
      id: state.nextId("findingGroup"),
      name: `Findings in: ${name}`.slice(0, 255),
      test: test.id,
      jira_issue: null,
    };
    state.findingGroups.set(group.id, group);
    for (const finding of members) finding.group = group;
  }
}
