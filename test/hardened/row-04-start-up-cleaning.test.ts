import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataDirectoryError } from "../../infra/local/data-directory.ts";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { s3Client } from "../contract/aws.ts";

const ORPHAN = "11111111-2222-4333-8444-555555555555";

describe("hardened 4: cleanup at startup", () => {
  let dataDir: string;
  let bodies: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-clean-"));
    bodies = join(dataDir, "bodies");
    const server = await startEmbeddedS3({ dataDir });
    const client = s3Client(server.url);
    await client.send(new CreateBucketCommand({ Bucket: "kept" }));
    for (let n = 0; n < 50; n++)
      await client.send(new PutObjectCommand({ Bucket: "kept", Key: `object-${n}`, Body: `body ${n}` }));
    client.destroy();
    await server.close();
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  const database = () => join(dataDir, "s3.sqlite");
  const refused = async () => {
    const error = await startEmbeddedS3({ dataDir }).then(
      (server) => server.close(),
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DataDirectoryError);
    return String((error as Error).message);
  };

  it.each([
    ["half of it", async () => truncate(database(), Math.floor((await stat(database())).size / 2))],
    ["its first page", async () => truncate(database(), 4096)],
    ["some bytes", () => truncate(database(), 100)],
    ["nothing", () => truncate(database(), 0)],
    ["another's bytes", () => writeFile(database(), "no database at all".repeat(1000))],
    ["no file", () => rm(database())],
  ])("with only %s of the database removes no body and names the directory", async (_, damage) => {
    const before = (await readdir(bodies)).sort();
    expect(before).toHaveLength(50);
    await damage();
    expect(await refused()).toMatch(/s3\.sqlite.*(restore|move)/s);
    expect((await readdir(bodies)).sort()).toEqual(before);
  });

  it("removes a body that a complete database does not reference, and nothing else", async () => {
    const others = ["notes.txt", "11111111-2222", ORPHAN.toUpperCase().replaceAll("1", "A")];
    for (const name of [ORPHAN, ...others]) await writeFile(join(bodies, name), "x");
    await mkdir(join(bodies, "21111111-2222-4333-8444-555555555555"));
    const server = await startEmbeddedS3({ dataDir });
    const left = await readdir(bodies);
    expect(left).toHaveLength(50 + others.length + 1);
    expect(left).not.toContain(ORPHAN);
    const client = s3Client(server.url);
    const { Body } = await client.send(new GetObjectCommand({ Bucket: "kept", Key: "object-7" }));
    expect(await Body?.transformToString()).toBe("body 7");
    client.destroy();
    await server.close();
  });

  it("follows no link, neither instead of the directory nor inside it", async () => {
    const foreign = join(dataDir, "foreign");
    await mkdir(foreign);
    await writeFile(join(foreign, ORPHAN), "foreign");
    await symlink(join(foreign, ORPHAN), join(bodies, ORPHAN));
    await (await startEmbeddedS3({ dataDir })).close();
    expect(existsSync(join(foreign, ORPHAN))).toBe(true);
    await rename(bodies, join(dataDir, "moved"));
    await symlink(foreign, bodies);
    expect(await refused()).toMatch(/bodies is a link/);
    expect(existsSync(join(foreign, ORPHAN))).toBe(true);
  });
});
