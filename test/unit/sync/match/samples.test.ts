import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { sharedFolders } from "../../../helpers/shared.ts";
import { foldersToMatch, matchScan } from "../../../match/scan-folder.ts";

const SCANS = fileURLToPath(new URL("../../../../../shared/scans", import.meta.url));

/** Uploaded, kept, matched, and the reasons of those that are not, as the real 3.2 made of each. */
const MEASURED: Readonly<Record<string, readonly [number, number, number, Readonly<Record<string, number>>]>> = {
  "ffuf-ffuf-results": [2, 2, 2, {}],
  "ffuf-juice-shop": [2, 2, 2, {}],
  "gitleaks-test-report": [4, 4, 4, {}],
  "gitleaks-test-report-tags": [3, 1, 3, {}],
  "nikto-docs.securecodebox.io": [6, 6, 6, {}],
  "nikto-juice-shop": [168, 8, 168, {}],
  "nmap-localhost": [5, 4, 4, { "parser-dropped": 1 }],
  "nmap-localhost-smb-script": [8, 1, 1, { "parser-dropped": 7 }],
  "nmap-no-ports": [1, 0, 0, { "parser-dropped": 1 }],
  "nmap-no-service": [2, 0, 0, { "parser-dropped": 2 }],
  "nmap-service-scan": [3, 2, 2, { "parser-dropped": 1 }],
  "nuclei-example-com-only-misc-tags-with-incluce-rr": [1, 1, 1, {}],
  "nuclei-example-com-test": [27, 26, 27, {}],
  "nuclei-log4shell": [1, 1, 1, {}],
  "semgrep-python-injection": [1, 1, 1, {}],
  "ssh-audit-dummy-ssh": [9, 17, 7, { "parser-dropped": 2 }],
  "sslyze-expired.badssl.com": [4, 3, 2, { "parser-dropped": 2 }],
  "sslyze-google.com": [3, 4, 2, { "parser-dropped": 1 }],
  "sslyze-www.securecodebox.io": [1, 2, 0, { "parser-dropped": 1 }],
  "trivy-juice-shop-v12.10.2": [182, 185, 182, {}],
  "trivy-juice-shop-v12.10.2-no-results": [0, 0, 0, {}],
  "trivy-sbom-hello-world-cyclonedx": [1, 0, 0, { "parser-dropped": 1 }],
  "whatweb-example.com": [1, 1, 1, {}],
  "whatweb-securecodebox.io": [3, 3, 3, {}],
  "wpscan-example-latest": [6, 6, 5, { "parser-dropped": 1 }],
  "wpscan-no-version-detected": [6, 5, 5, { "parser-dropped": 1 }],
  "zap-automation-framework-docs.securecodebox.io": [12, 12, 12, {}],
  "zap-automation-framework-example.com": [5, 5, 5, {}],
  "zap-automation-framework-juice-shop": [12, 12, 12, {}],
};

const there = sharedFolders("scans").length > 0;
if (!there)
  process.stderr.write("LEFT OUT: ../shared/scans is missing, so no sample of a real DefectDojo is matched\n");

describe.skipIf(!there)("what the real 3.2 made of the samples", () => {
  it.each(Object.entries(MEASURED))("%s", async (scan, [uploaded, kept, matched, reasons]) => {
    const found = await matchScan(`${SCANS}/${scan}`);
    const counts = Object.fromEntries(
      Map.groupBy(found.unmatched, ({ reason }) => reason)
        .entries()
        .map(([reason, all]) => [reason, all.length]),
    );
    expect([found.uploaded, found.kept, found.matched, counts]).toEqual([uploaded, kept, matched, reasons]);
    expect(found.onlyInScan).toBe(uploaded - matched);
  });

  it("is measured for every folder that has it", async () => {
    const folders = await foldersToMatch([SCANS]);
    expect(folders.map((folder) => folder.slice(SCANS.length + 1)).sort()).toEqual(Object.keys(MEASURED).sort());
  });
});
