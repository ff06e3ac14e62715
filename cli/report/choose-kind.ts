import { GENERIC, scanTypeOfFamily } from "../../lib/model/scan-types.ts";
import { CommandError } from "../command-error.ts";
import { guessKinds, REPORT_KINDS, type ReportKind } from "./report-kinds.ts";
import { reportShape } from "./report-shape.ts";

/** The type of a report. */
export interface ChosenKind {
  /** DefectDojo's scan type. */
  readonly importAs: string;
  /** The sidecar's scan type, for readers of the bucket. */
  readonly scanType: string;
  /** Guessed from the report instead of stated. */
  readonly guessed: boolean;
  /** What contradicts it. */
  readonly warning?: string;
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/**
 * @param as what `--as` says: a scan type of secureCodeBox or DefectDojo, or the name of a tool; undefined: guessed from the report
 * @param start the report's first bytes
 * @throws CommandError if the report's type is unclear, or DefectDojo cannot read this form of it
 */
export function chooseKind(as: string | undefined, start: string, name: string): ChosenKind {
  if (start.trim() === "") return ofNothing(as, name);
  const guesses = guessKinds(reportShape(start));
  if (as !== undefined) return named(as.trim(), guesses, name);
  const [only, ...others] = guesses;
  if (only === undefined) {
    throw new CommandError(`${name} is not a report of any known tool`, HOW_TO_SAY);
  }
  if (others.length > 0) {
    const advice = `Choose one: ${guesses.map((kind) => `--as "${kind.as}"`).join(" or ")}.`;
    throw new CommandError(`${name} may be a report of ${guesses.map(({ tool }) => tool).join(" or ")}`, advice);
  }
  if (only.instead !== undefined) throw new CommandError(`${name} is a report of ${only.tool}`, `${only.instead}.`);
  return { ...chosen(only), guessed: true };
}

/** Some scanners write nothing if they found nothing; of others an empty file means that they failed. */
function ofNothing(as: string | undefined, name: string): ChosenKind {
  const clean = REPORT_KINDS.filter(({ emptyIfClean }) => emptyIfClean);
  const kind = as === undefined ? undefined : (ofScanType(as.trim()) ?? ofName(as.trim()));
  if (kind !== undefined && clean.some((row) => same(row.as, kind.importAs))) return kind;
  const tools = clean.map(({ tool }) => `--as ${tool}`).join(", ");
  const advice = `Failed scanners leave such files. If this is what one that found nothing writes, set its type (${tools}).`;
  throw new CommandError(`${name} is empty`, advice);
}

function named(as: string, guesses: readonly ReportKind[], name: string): ChosenKind {
  if (same(as, GENERIC)) {
    throw new CommandError(
      `"${GENERIC}" reads findings.json, not a report`,
      "Put the findings into a findings.json of secureCodeBox's format and upload its folder: dojo-relay upload DIR.",
    );
  }
  const kind = ofScanType(as) ?? ofName(as);
  const [first] = guesses;
  if (first === undefined || guesses.some((guess) => same(guess.as, kind.importAs))) return kind;
  return { ...kind, warning: `${name} looks like a report of ${first.tool} ("${first.as}"), not "${kind.importAs}"` };
}

/** A scan type of secureCodeBox, also with a suffix (`nmap-internal`), or their family (`trivy`). */
function ofScanType(as: string): ChosenKind | undefined {
  const importAs = scanTypeOfFamily(as);
  return importAs === undefined ? undefined : { importAs, scanType: as.toLowerCase(), guessed: false };
}

/** A tool, or DefectDojo's scan type; DefectDojo judges unknown ones. */
function ofName(as: string): ChosenKind {
  const kind = REPORT_KINDS.find(({ tool }) => same(tool, as)) ?? REPORT_KINDS.find((row) => same(row.as, as));
  return kind === undefined
    ? { importAs: as, scanType: slug(as), guessed: false }
    : { ...chosen(kind), guessed: false };
}

const chosen = ({ as, tool, scanType }: ReportKind) => ({ importAs: as, scanType: scanType ?? slug(tool) });

/** A name that is valid in Kubernetes and in object keys. */
export function slug(text: string): string {
  const plain = text
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[^a-z\d]+/g, "-");
  return plain.slice(0, 60).replace(/^-+|-+$/g, "") || "report";
}

const HOW_TO_SAY =
  'Set its type with --as: a scan type of secureCodeBox (--as trivy) or any of DefectDojo\'s (--as "SARIF"; DefectDojo lists them at Import Scan Results).';
