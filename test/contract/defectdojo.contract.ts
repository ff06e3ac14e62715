import { describe } from "vitest";
import type { Server } from "./defectdojo-client.ts";
import { findingsContract } from "./defectdojo-findings.contract.ts";
import { importsContract } from "./defectdojo-imports.contract.ts";
import { objectsContract } from "./defectdojo-objects.contract.ts";

/** What the relay relies on in DefectDojo. The stand-in and real servers are held to the same. */
export function defectDojoContract(name: string, server: () => Promise<Server>, hasLowPrivileged: boolean): void {
  describe(name, () => {
    describe("objects", () => objectsContract(server, hasLowPrivileged));
    describe("imports", () => importsContract(server, hasLowPrivileged));
    describe("findings", () => findingsContract(server, hasLowPrivileged));
  });
}
