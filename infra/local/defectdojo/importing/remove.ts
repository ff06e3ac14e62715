import type { Finding, Test } from "../model.ts";
import type { State } from "../state.ts";
import { forgetPlaces } from "./places.ts";

/** Removes findings. The oldest duplicate of a removed original takes its place and status. */
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

/** Removes a test with its findings and import records. */
export function removeTest(state: State, test: Test): void {
  removeFindings(state, state.findingsByTest.get(test.id) ?? []);
  state.findingsByTest.delete(test.id);
  for (const testImport of state.testImports.values()) {
    if (testImport.test === test.id) state.testImports.delete(testImport.id);
  }
  state.tests.delete(test.id);
}

export function removeEngagement(state: State, id: number): void {
  for (const test of state.tests.values()) if (test.engagement === id) removeTest(state, test);
  state.engagements.delete(id);
}

export function removeProduct(state: State, id: number): void {
  for (const engagement of state.engagements.values())
    if (engagement.product === id) removeEngagement(state, engagement.id);
  state.products.delete(id);
}
