import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { readImporterConfig, readServiceConfig } from "../../lib/config.ts";

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
}

const folder = new URL("../../infra/compose/", import.meta.url).pathname;
const text = readFileSync(join(folder, "compose.yml"), "utf8");
const compose = parse(text, { merge: true }) as {
  services: Record<"minio" | "elasticmq" | "setup" | "relay", Service & { read_only?: boolean }>;
  volumes: Record<string, null>;
};
const { minio, elasticmq, setup, relay } = compose.services;

test("every variable that must be set stands in .env.example, and no secret has a value there", () => {
  const example = readFileSync(join(folder, ".env.example"), "utf8");
  const named = new Map(
    [...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
  const used = [...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name = ""]) => name);
  expect(used.filter((name) => !named.has(name))).toEqual([]);
  expect([...named.keys()].filter((name) => !used.includes(name))).toEqual([]);
  const required = [...text.matchAll(/\$\{([A-Z_]+):\?\}/g)].map(([, name = ""]) => name);
  expect(required).toEqual(expect.arrayContaining(["WEBHOOK_TOKEN", "DEFECTDOJO_URL", "DEFECTDOJO_APIKEY"]));
  for (const secret of ["WEBHOOK_TOKEN", "DEFECTDOJO_APIKEY", "MINIO_ROOT_PASSWORD"])
    expect(named.get(secret)).toBe("");
});

test("MinIO notifies the relay: its address, its token, a folder for events that find no receiver", () => {
  expect(minio.environment).toMatchObject({
    MINIO_NOTIFY_WEBHOOK_ENABLE_RELAY: "on",
    MINIO_NOTIFY_WEBHOOK_ENDPOINT_RELAY: "http://relay:8080/events",
    MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_RELAY: relay.environment?.WEBHOOK_TOKEN,
    MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_RELAY: "/events",
  });
  expect(setup.command).toEqual(["setup", "--target", "arn:minio:sqs::RELAY:webhook"]);
});

test("events, objects and queues are kept in volumes that are declared", () => {
  const mounted = [...(minio.volumes ?? []), ...(elasticmq.volumes ?? [])].map((volume) => volume.split(":")[0] ?? "");
  const named = mounted.filter((source) => !source.startsWith("."));
  expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
  for (const source of mounted.filter((each) => each.startsWith(".")))
    expect(existsSync(join(folder, source))).toBe(true);
});

test("the relay starts behind the setup, on a file system that is read only", () => {
  expect(relay.depends_on?.setup?.condition).toBe("service_completed_successfully");
  expect(setup.depends_on?.minio?.condition).toBe("service_healthy");
  expect([relay.read_only, setup.read_only]).toEqual([true, true]);
});

test("the relay's environment is a configuration as it stands in .env.example", () => {
  const value = (given: string) =>
    given.replace(/\$\{([A-Z_]+)(?::-|:\?)?([^}]*)\}/g, (_, name: string, byDefault: string) =>
      name === "DEFECTDOJO_URL"
        ? "https://defectdojo.example.com"
        : byDefault || (/(TOKEN|KEY|PASS|USER)/.test(name) ? "x" : ""),
    );
  const env = Object.fromEntries(Object.entries(relay.environment ?? {}).map(([name, given]) => [name, value(given)]));
  expect(readServiceConfig(env)).toMatchObject({
    AWS_ENDPOINT_URL_SQS: "http://elasticmq:9324",
    BUCKET: "securecodebox",
  });
  const queues = { QUEUE_URL: "http://elasticmq:9324/0/q", DLQ_URL: "http://elasticmq:9324/0/d" };
  expect(readImporterConfig({ ...env, ...queues })).toMatchObject({ SYNC_MODE: "replace", DEFECTDOJO_APIKEY: "x" });
});

test("ElasticMQ gives queue addresses that the relay can reach, and keeps its messages", () => {
  const config = readFileSync(join(folder, "elasticmq.conf"), "utf8");
  expect(config).toMatch(/host = elasticmq\n\s+port = 9324/);
  expect(config).toContain("jdbc:h2:/data/messages;WRITE_DELAY=0");
  expect(elasticmq.volumes).toContain("queues:/data");
});
