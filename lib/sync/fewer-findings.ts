const START = "DefectDojo now has ";

/**
 * The warnings of a receipt, with one where DefectDojo has fewer findings of the test than its import kept: somebody deleted them, or DefectDojo did
 * (its setting "delete duplicates"). One of an earlier sync is replaced.
 * @param kept how many the import kept, where that is known
 * @param found how many there are now
 */
export function withFewerFindings(
  warnings: readonly string[],
  kept: number | undefined,
  found: number,
): { warnings: string[]; missing: number } {
  const others = warnings.filter((warning) => !warning.startsWith(START));
  const missing = Math.max(0, (kept ?? 0) - found);
  if (missing === 0) return { warnings: others, missing };
  const left = "those that are missing are in findings.original.json as they were uploaded";
  return { warnings: [...others, `${START}${found} of the ${kept} findings that the import kept; ${left}`], missing };
}
