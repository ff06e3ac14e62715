import type { ScanFinding } from "../report/findings-file.ts";
import { dojoSeverity, uniqueIdOf } from "../report/to-generic-finding.ts";
import { IMPORTED_CATEGORY, type MappingContext, stateOf, toSyncedFinding } from "./to-synced-finding.ts";
import type { Written } from "./write-back.ts";

/**
 * The scan's own findings with DefectDojo's state added, in the order of the upload. Each keeps its id, category, attributes and references;
 * a severity that somebody changed in DefectDojo is DefectDojo's. Matched by `unique_id_from_tool`: both sides come in the order of the report,
 * so that only what is out of order is held. What DefectDojo does not have (below the minimum severity) is left out, as in replace mode; what
 * only DefectDojo has comes last, in replace mode's form.
 */
export async function* mergeFindings(
  uploaded: AsyncIterable<ScanFinding>,
  inDojo: AsyncIterable<Written>,
  isImported: (finding: ScanFinding) => boolean,
  mapping: MappingContext,
): AsyncGenerator<Written> {
  const dojo = inDojo[Symbol.asyncIterator]();
  const waiting = new Map<string, Written[]>();
  const take = async (id: string): Promise<Written | undefined> => {
    const held = waiting.get(id);
    if (held !== undefined) {
      const first = held.shift();
      if (held.length === 0) waiting.delete(id);
      return first;
    }
    for (let next = await dojo.next(); next.done !== true; next = await dojo.next()) {
      const uniqueId = next.value.finding.uniqueIdFromTool ?? "";
      if (uniqueId === id) return next.value;
      waiting.set(uniqueId, [...(waiting.get(uniqueId) ?? []), next.value]);
    }
    return undefined;
  };
  let index = 0;
  for await (const finding of uploaded) {
    const match = isImported(finding) ? await take(uniqueIdOf(finding, index)) : undefined;
    index++;
    if (match !== undefined) yield { ...match, written: merged(finding, match, mapping) };
  }
  for (const left of waiting.values()) yield* left;
  for (let next = await dojo.next(); next.done !== true; next = await dojo.next()) yield next.value;
}

function merged(uploaded: ScanFinding, { finding, original }: Written, mapping: MappingContext): Written["written"] {
  const fresh = toSyncedFinding(finding, undefined, mapping);
  const severity = dojoSeverity(uploaded.severity) === finding.severity ? uploaded.severity : undefined;
  const standard = severity === "HIGH" || severity === "MEDIUM" || severity === "LOW" || severity === "INFORMATIONAL";
  return {
    ...uploaded,
    id: uploaded.id || fresh.id,
    category: uploaded.category || IMPORTED_CATEGORY,
    severity: standard ? severity : fresh.severity,
    parsed_at: uploaded.parsed_at ?? finding.createdAt,
    scan: uploaded.scan ?? fresh.scan,
    attributes: { ...uploaded.attributes, ...stateOf(finding, original, mapping) },
  };
}
