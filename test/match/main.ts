import { Command } from "commander";
import { printable } from "../../cli/terminal/printable.ts";
import { progressLine } from "../../cli/terminal/progress.ts";
import { table } from "../../cli/terminal/table.ts";
import { foldersToMatch, type MatchedScan, matchScan } from "./scan-folder.ts";

const HELP = `
A folder holds findings.json, as secureCodeBox's parser wrote it, and dojo-findings.json, what a real DefectDojo made of the same report:
{"importedAs": "Nikto Scan", "findings": [as its API gives them, with the URLs of their locations]}. Folders without it are left out.

Examples:
  $ npm run match -- ../shared/scans
  $ npm run match -- ../shared/scans/nikto-juice-shop
  $ npm run --silent match -- --json ../shared/scans | jq '.[] | select(.onlyInScan > 0)'`;

/** Identical findings with their count, in one line. */
function listed(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].map(([line, count]) => `  ${line}${count > 1 ? ` (${count} times)` : ""}`);
}

function describe({ scan, unmatched, unclaimed }: MatchedScan): string[] {
  const lines = [
    ...listed(unmatched.map(({ reason, category, name }) => `only in the scan, ${reason}: [${category}] ${name}`)),
    ...listed(unclaimed.map((title) => `only in DefectDojo: ${title}`)),
  ];
  return lines.length === 0 ? [] : ["", scan, ...lines];
}

const program = new Command("match")
  .description("shows which findings of a scanner are which of DefectDojo's, and which have no counterpart")
  .argument("<folder...>", "folders of scans, or folders that hold such folders")
  .option("--json", "print an array of objects instead of tables")
  .addHelpText("after", HELP)
  .action(async (folders: string[], { json = false }: { json?: boolean }) => {
    const line = progressLine();
    const scans: MatchedScan[] = [];
    const found = await foldersToMatch(folders);
    for (const [index, folder] of found.entries()) {
      line.update(() => `${index + 1} of ${found.length}: ${folder}`);
      scans.push(await matchScan(folder));
    }
    line.clear();
    const rows = scans.map(({ unmatched, unclaimed, ...row }) => row);
    const answer = json
      ? JSON.stringify(scans, undefined, 1)
      : printable([table(rows), ...scans.flatMap(describe)].join("\n"));
    process.stdout.write(`${answer}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
