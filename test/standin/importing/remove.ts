import type { Finding } from "../model.ts";
import type { State } from "../state.ts";
import { forgetPlaces } from "./places.ts";

/** Removes findings. Where one was the original of others, the oldest of these takes its place and its status. */
export function removeFindings(state: State, findings: readonly Finding[]): void {
  const removed = new Map(findings.map((finding) => [finding.id, finding]));
  for (const finding of findings) {
    forgetPlaces(state, finding);
    state.findings.delete(finding.id);
  }
  const successors = new Map<number, Finding>();
  for (const finding of state.findings.values()) {
    const original = removed.get(finding.duplicate_finding ?? 0);
    if (original === undefined) continue;
    const successor = successors.get(original.id);
    if (successor !== undefined) {
      finding.duplicate_finding = successor.id;
      continue;
    }
    const { active, verified, is_mitigated } = original;
    Object.assign(finding, { duplicate: false, duplicate_finding: null, active, verified, is_mitigated });
    successors.set(original.id, finding);
  }
}
