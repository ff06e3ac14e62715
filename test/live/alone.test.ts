import { basename } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DOJOS, type LiveDojo } from "./dojo.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { expectSynced, FOLDERS, SAMPLES, type ScanFolders, underNewProducts } from "./scans.ts";
import { haveServers, type ServerName } from "./servers.ts";

/** One row per external server; the service embeds the other. */
const ROWS: readonly { server: ServerName; title: string; with: string }[] = [
  { server: "minio", title: "MinIO", with: "the embedded queue" },
  { server: "elasticmq", title: "ElasticMQ", with: "the embedded store" },
];
const samples = FOLDERS.filter((folder) => folder.startsWith(SAMPLES));
const [dojoRow] = DOJOS;

for (const { server, title, with: other } of ROWS) {
  const have = haveServers(`${title} with ${other}`, server);
  describe.skipIf(!have)(`${title} with ${other}`, () => {
    let dojo: LiveDojo | undefined;
    let scans: ScanFolders;
    let installation: Installation;
    beforeAll(async () => {
      dojo = await dojoRow?.open();
      scans = await underNewProducts(samples);
      if (dojo !== undefined) installation = await startInstallation({ dojo, servers: { [server]: true } });
    });
    afterAll(async () => {
      await installation?.stop();
      await scans?.[Symbol.asyncDispose]();
      await dojo?.close();
    });

    const expectAllSynced = async (prefix: string, more: object) => {
      for (const folder of samples) {
        const key = `${prefix}${basename(folder)}/findings.json`;
        const { receipt } = await expectSynced(installation, folder, key);
        expect(receipt, key).toMatchObject(more);
        expect(await dojo?.tests({ build_id: receipt.jobKey })).toMatchObject([{ id: receipt.test.id }]);
      }
    };

    it("completes every sample", async () => {
      await installation.upload(scans.folders);
      await expectAllSynced("", {});
    });

    it("continues after a shutdown during the work and a restart", async () => {
      await installation.upload(scans.folders, "again/");
      expect(await installation.relay.end("SIGTERM")).toEqual({ code: 0, signal: null });
      await installation.relay.start();
      await expectAllSynced("again/", { new: 0 });
      await installation.idle();
      expect(await installation.takeDeadLetters()).toEqual([]);
      expect(await installation.keys("", "defectdojo.pending.json")).toEqual([]);
    });
  });
}
