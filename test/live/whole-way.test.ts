import { basename } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DOJOS, type LiveDojo } from "./dojo.ts";
import { type DeadLetter, type Installation, startInstallation } from "./installation.ts";
import { expectSynced, FOLDERS, type ScanFolders, underNewProducts } from "./scans.ts";
import { haveServers } from "./servers.ts";

const have = haveServers("the whole way through MinIO and ElasticMQ", "minio", "elasticmq");

const SIDECAR = {
  metadata: { name: "nmap-1", namespace: "default" },
  spec: { scanType: "nmap" },
  status: { rawResultType: "nmap-xml", rawResultFile: "nmap-results.xml" },
};
const FINDINGS = JSON.stringify([{ name: "Open Port: 22", severity: "HIGH", category: "Open Port" }]);
const RAW = "<nmaprun></nmaprun>";

/** One row per kind of bad input: its objects, the findings last, and the reason of its dead letter. */
const BAD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "sidecar-missing": { "nmap-results.xml": RAW, "findings.json": FINDINGS },
  "sidecar-invalid": { "scan.json": "{nope", "findings.json": FINDINGS },
  "raw-result-missing": { "scan.json": JSON.stringify(SIDECAR), "findings.json": FINDINGS },
  "findings-invalid": {
    "scan.json": JSON.stringify(SIDECAR),
    "nmap-results.xml": RAW,
    "findings.json": FINDINGS.slice(0, -9),
  },
};

for (const { title, real, open } of DOJOS) {
  describe.skipIf(!have)(`every scan goes the whole way through MinIO, ElasticMQ and ${title}`, () => {
    let dojo: LiveDojo;
    let installation: Installation;
    let scans: ScanFolders;
    let uploads = 0;
    const upload = async (folders: readonly string[], prefix?: string) => {
      const keys = await installation.upload(folders, prefix);
      uploads += keys.length;
      return keys;
    };

    beforeAll(async () => {
      dojo = await open();
      scans = real
        ? await underNewProducts(FOLDERS)
        : { folders: FOLDERS, [Symbol.asyncDispose]: async () => undefined };
      installation = await startInstallation({
        dojo,
        servers: { minio: true, elasticmq: true },
        env: { SIDECAR_GRACE_SECONDS: "0" },
      });
      await upload(scans.folders);
    });
    afterAll(async () => {
      await installation?.stop();
      await scans?.[Symbol.asyncDispose]();
      await dojo?.close();
    });

    it.each(FOLDERS.map((folder) => [basename(folder), folder]))("%s", async (name, folder) => {
      const { receipt } = await expectSynced(installation, folder, `${name}/findings.json`);
      const tests = await dojo.tests({ build_id: receipt.jobKey });
      expect(tests).toMatchObject([{ id: receipt.test.id, percent_complete: 100 }]);
      expect(await dojo.findingCount(receipt.test.id)).toBe(receipt.findings.count);
    });

    it("the same scans under keys that need URL encoding are all duplicates of the first", async () => {
      const prefix = "team a/ü+&=%20 (1)/";
      const keys = await upload(scans.folders, prefix);
      expect(keys).toHaveLength(FOLDERS.length);
      for (const [index, key] of keys.entries()) {
        const { receipt, findings } = await expectSynced(installation, FOLDERS[index] ?? "", key);
        expect(receipt, key).toMatchObject({ new: 0, duplicates: findings.length });
        for (const { name, attributes } of findings) {
          const original = attributes["defectdojo.org/original-finding"];
          expect(original).toMatchObject({ name, attributes: { duplicate: false } });
        }
      }
    });

    it("dead-letters bad input with its reason and leaves the bucket unchanged", async () => {
      const { s3, bucket } = installation;
      for (const [reason, objects] of Object.entries(BAD)) {
        for (const [name, Body] of Object.entries(objects))
          await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `bad/${reason}/${name}`, Body }));
      }
      const letters: DeadLetter[] = [];
      await installation.eventually("a dead letter for each", async () => {
        letters.push(...(await installation.takeDeadLetters()));
        return letters.length >= Object.keys(BAD).length;
      });
      expect(letters.map(({ attributes }) => attributes.reason).sort()).toEqual(Object.keys(BAD).sort());
      for (const { attributes } of letters) {
        expect(attributes.advice).toMatch(/\w{3}/);
        expect(attributes.message).toContain(`s3://${bucket}/bad/${attributes.reason}/`);
      }
      for (const [reason, objects] of Object.entries(BAD)) {
        for (const [name, body] of Object.entries(objects))
          expect(String(await installation.get(`bad/${reason}/${name}`))).toBe(body);
        expect(await installation.keys(`bad/${reason}/`)).toHaveLength(Object.keys(objects).length);
      }
    });

    it("dead-letters a malformed notification without blocking others", async () => {
      const post = (authorization: string) =>
        fetch(`${installation.relay.url}/events`, { method: "POST", body: "poison", headers: { authorization } });
      expect((await post("Bearer of another token")).status).toBe(401);
      expect((await post(`Bearer ${installation.token}`)).status).toBe(200);
      const letters = await installation.takeDeadLetters();
      expect(letters).toMatchObject([{ attributes: { reason: "event-invalid" } }]);
    });

    it("no write-back was mistaken for an upload, and nothing is left", async () => {
      const { relay } = installation;
      const [last = ""] = await upload(scans.folders.slice(0, 1), "last/");
      await installation.receipt(last);
      await installation.idle();
      // Their names match the suffix of the bucket's notification, but they are raw results of a scanner.
      const others = (await installation.keys("", "findings.json")).filter((key) => !key.endsWith("/findings.json"));
      const ignored = uploads + others.length;
      await installation.eventually("the event of every write-back", async () => {
        return (await relay.metric("dojo_relay_notifications_ignored_total")) >= ignored;
      });
      expect(await relay.metric("dojo_relay_notifications_ignored_total")).toBe(ignored);
      const bad = Object.keys(BAD).filter((reason) => !reason.startsWith("sidecar-"));
      expect(await relay.metric("dojo_relay_jobs_enqueued_total")).toBe(uploads + bad.length);
      expect(await installation.keys("", "defectdojo.pending.json")).toEqual([]);
      expect(await installation.takeDeadLetters()).toEqual([]);
      expect(await relay.end("SIGTERM")).toEqual({ code: 0, signal: null });
    });
  });
}
