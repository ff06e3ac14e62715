import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GENERIC, wantedTestTypes } from "../../../lib/model/scan-types.ts";
import { readableReport } from "../../../lib/report/report-of-nothing.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dojo-relay-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function sent(scanType: string, content: string, name: string) {
  const path = join(folder, "raw-result");
  await writeFile(path, content);
  const report = await readableReport({ path, name }, scanType, folder);
  return [report.name, await readFile(report.path, "utf8")];
}

describe("a blank raw result", () => {
  it.each([
    ["Gitleaks Scan", "[]\n", "report.json"],
    ["Nuclei Scan", "", "report.json"],
    ["Trivy Scan", "\ufeffnull", "report.json"],
    ["A parser of somebody's own", "{}", "report.txt"],
  ])("of %s, %j, is sent as it is", async (scanType, content, name) => {
    expect(await sent(scanType, content, name)).toEqual([name, content]);
  });

  it.each([
    ["Nmap Scan", "", "nmap.xml", "no-findings.xml", '<nmaprun start="0"/>'],
    ["ZAP Scan", "{}", "zap.json", "no-findings.xml", "<OWASPZAPReport/>"],
    ["Trivy Scan", "{}", "trivy.json", "no-findings.json", "[]"],
    // By its name it would be read as XML.
    ["CycloneDX Scan", "{}", "sbom.txt", "no-findings.json", "{}"],
  ])("of %s, %j in %s, is sent as %s %s", async (scanType, content, name, ...expected) => {
    expect(await sent(scanType, content, name)).toEqual(expected);
  });

  it.each(wantedTestTypes().filter((type) => type !== GENERIC))(
    "of %s, of no form that it knows, has a document",
    async (type) => {
      expect((await sent(type, '""', "report.bin"))[0]).toMatch(/^no-findings\.(?:json|xml)$/);
    },
  );
});

it("a raw result that says something is sent as it is", async () => {
  expect(await sent("Nmap Scan", "<nmaprun/>", "n.xml")).toEqual(["n.xml", "<nmaprun/>"]);
});
