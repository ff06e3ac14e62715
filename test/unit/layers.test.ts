import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { REASONS } from "../../lib/errors.ts";

const LIB = fileURLToPath(new URL("../../lib/", import.meta.url));

const files = (readdirSync(LIB, { recursive: true }) as string[]).filter((name) => name.endsWith(".ts")).sort();

interface Import {
  /** Below lib/, or a package. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** What a file imports or passes on, types included. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(LIB, file), "utf8");
  const found = text.matchAll(/^(?:import|export)(?:( type)?\b[^;]*?\bfrom)? "([^"]+)";|\bimport\("([^"]+)"\)/gms);
  return [...found].map(([, type, from, dynamic]) => {
    const name = from ?? dynamic ?? "";
    return { to: name.startsWith(".") ? join(dirname(file), name) : name, typeOnly: type !== undefined };
  });
}

const IMPORTS = new Map(files.map((file) => [file, importsOf(file)]));
const importsIn = (file: string) => IMPORTS.get(file) ?? [];
const isInside = (to: string) => to.endsWith(".ts");
/** "" for the files of lib/ itself. */
const folderOf = (file: string) => (file.includes("/") ? file.slice(0, file.indexOf("/")) : "");

/** What every stage shares: words, helpers, ports. They know no stage and no adapter. */
const SHARED = ["", "model", "util", "ports"];
/** In the order of the flow. */
const STAGES = ["ingest", "importer", "report", "sync", "follow", "notify"];
const ADAPTERS = ["aws", "defectdojo", "webhook"];

/** What a stage shows to another; everything else of it is its own. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  // A job that reached the queue without its Scan is made in the importer, as ingest makes it.
  "importer -> ingest": ["ingest/make-job.ts", "ingest/settings.ts", "ingest/sidecar.ts"],
  "importer -> report": ["report/report.ts", "report/report-of-nothing.ts", "report/uploaded-counts.ts"],
  // The next step of the flow, the other kind of job, and what a failed condition on the findings means.
  "importer -> sync": ["sync/sync-test.ts", "sync/new-receipt.ts", "sync/resync-job.ts", "sync/conflict.ts"],
  // The scheduled resync starts from the folder, as ingest does.
  "sync -> ingest": ["ingest/sidecar.ts"],
  // The upload is read as for the report, and its findings are known by the ids that they were sent with.
  "sync -> report": [
    "report/report.ts",
    "report/findings-file.ts",
    "report/to-generic-finding.ts",
    "report/uploaded-counts.ts",
  ],
  // A receipt's landing is a notification, too; findings that were written back are read as those of a report.
  "notify -> ingest": ["ingest/notifications.ts"],
  "notify -> report": ["report/report.ts"],
  // Lambda's handlers, and the ports that they are handed.
  "aws -> ingest": ["ingest/ingest.ts", "ingest/settings.ts"],
  "aws -> importer": [
    "importer/process-message.ts",
    "importer/settle-message.ts",
    "importer/settings.ts",
    "importer/import-load.ts",
  ],
  "aws -> follow": ["follow/follow-round.ts", "follow/follow-state.ts"],
  "aws -> defectdojo": ["defectdojo/dojo-port.ts", "defectdojo/api.ts", "defectdojo/verdict-feed.ts"],
};

function mayImport(file: string, to: string): boolean {
  const [own, other] = [folderOf(file), folderOf(to)];
  if (own === other || SHARED.includes(other)) return true;
  return ENTRIES[`${own} -> ${other}`]?.includes(to) ?? false;
}

/** Pure folders and modules: zod, types and each other only (and what of Node has no effect). */
const PURE = [
  "model/",
  "errors.ts",
  "util/exact-number.ts",
  "report/jackson-text.ts",
  "report/generic-details.ts",
  "report/to-generic-finding.ts",
  "ingest/notifications.ts",
  "importer/decide.ts",
  "notify/changes.ts",
  "notify/formats.ts",
  "notify/news.ts",
  "importer/describe-test.ts",
  "sync/tally.ts",
  "sync/to-synced-finding.ts",
  "sync/valid-fields.ts",
  "sync/verdicts.ts",
  "util/backoff.ts",
  "util/digest.ts",
  "util/first-bad.ts",
  "util/issues.ts",
  "util/loopback.ts",
  "util/nearest.ts",
  "util/text.ts",
  "report/proto-field.ts",
  "util/secrets.ts",
  "util/usable-text.ts",
  "util/web-url.ts",
];
const PURE_PACKAGES = new Set(["zod", "node:crypto", "node:net"]);
const isPure = (file: string) => PURE.some((pure) => (pure.endsWith("/") ? file.startsWith(pure) : file === pure));

/** What alone may know an SDK or the network. */
const NETWORK: readonly (readonly [packages: RegExp, folder: string])[] = [
  [/^@aws-sdk\/|^@aws-lambda-powertools\/|^@middy\//, "aws"],
  [/^node:https?$/, "aws"],
  [/^node:https?$|^@aws-lambda-powertools\/parameters/, "defectdojo"],
  [/^node:https?$|^@aws-lambda-powertools\/parameters/, "webhook"],
];
const isNetwork = (from: string) =>
  NETWORK.some(([packages]) => packages.test(from)) || /^node:(tls|dgram|http2)$|^(undici|ws)$/.test(from);
const mayUse = (file: string, from: string) =>
  !isNetwork(from) || NETWORK.some(([packages, folder]) => packages.test(from) && folderOf(file) === folder);

/** The first circle of imports that leads back to where it began, types included. */
function findCycle(): string[] | undefined {
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const { to } of importsIn(file)) {
      const cycle = isInside(to) ? walk(to, [...path, file]) : undefined;
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of files) {
    const cycle = walk(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe("the folders of lib/", () => {
  it("are those that the rules know", () => {
    expect(new Set(files.map(folderOf))).toEqual(new Set([...SHARED, ...STAGES, ...ADAPTERS]));
  });

  it.each(files)("%s imports what its folder may", (file) => {
    for (const { to } of importsIn(file)) {
      expect(isInside(to) ? mayImport(file, to) : mayUse(file, to), `${file} imports ${to}`).toBe(true);
      expect(to.startsWith(".."), `${file} imports ${to}: outside of lib/`).toBe(false);
    }
  });

  it("need every exception that is made", () => {
    const used = new Set(files.flatMap((file) => importsIn(file).map(({ to }) => `${folderOf(file)} -> ${to}`)));
    const unused = Object.entries(ENTRIES).flatMap(([pair, entries]) =>
      entries.map((to) => `${pair.split(" ")[0]} -> ${to}`).filter((one) => !used.has(one)),
    );
    expect(unused).toEqual([]);
  });

  it("import each other in no circle, types included", () => {
    expect(findCycle()).toBeUndefined();
  });

  it.each(files.filter(isPure))("%s is pure", (file) => {
    for (const { to, typeOnly } of importsIn(file)) {
      const pure = typeOnly || (isInside(to) ? isPure(to) : PURE_PACKAGES.has(to));
      expect(pure, `${file} imports ${to}`).toBe(true);
    }
  });

  it("config.ts alone knows of the environment, and nobody in lib reads process.env", () => {
    for (const file of files)
      expect(readFileSync(join(LIB, file), "utf8").replaceAll(/`[^`]*process\.env[^`]*`/g, ""), file).not.toMatch(
        /process\.env/,
      );
  });
});

describe("docs/operations.md", () => {
  const runBook = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  it.each(Object.keys(REASONS))("says what to do about %s", (reason) => {
    expect(runBook).toContain(`\`${reason}\``);
  });
});
