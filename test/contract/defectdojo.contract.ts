import { describe } from "vitest";
import type { Server } from "./defectdojo-client.ts";
import { emptyReportsContract } from "./defectdojo-empty-reports.contract.ts";
import { engagementsContract } from "./defectdojo-engagements.contract.ts";
import { feedContract } from "./defectdojo-feed.contract.ts";
import { findingsContract } from "./defectdojo-findings.contract.ts";
import { importsContract } from "./defectdojo-imports.contract.ts";
import { objectsContract } from "./defectdojo-objects.contract.ts";
import { optionsContract } from "./defectdojo-options.contract.ts";
import { refusalsContract } from "./defectdojo-refusals.contract.ts";
import { reimportsContract } from "./defectdojo-reimports.contract.ts";
import { rightsContract } from "./defectdojo-rights.contract.ts";
import { verdictsContract } from "./defectdojo-verdicts.contract.ts";

/** What the relay relies on in DefectDojo. The stand-in and real servers must both pass it. */
export function defectDojoContract(name: string, server: () => Promise<Server>, hasLowPrivileged: boolean): void {
  describe(name, () => {
    describe("objects", () => objectsContract(server));
    describe("engagements", () => engagementsContract(server));
    describe.skipIf(!hasLowPrivileged)("rights of a low-privileged user", () => rightsContract(server));
    describe("reimports", () => reimportsContract(server));
    describe("imports", () => importsContract(server, hasLowPrivileged));
    describe("options of an import", () => optionsContract(server));
    describe("imports it refuses", () => refusalsContract(server));
    describe("reports without findings", () => emptyReportsContract(server));
    describe("findings", () => findingsContract(server, hasLowPrivileged));
    describe("verdicts", () => verdictsContract(server));
    describe("the feed of verdicts", () => feedContract(server));
  });
}
