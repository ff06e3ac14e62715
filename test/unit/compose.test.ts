import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { readImporterConfig, readNotifierConfig, readServiceConfig } from "../../lib/config.ts";

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
}

interface Confinement {
  readonly read_only?: boolean;
  readonly user?: string;
  readonly network_mode?: string;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
}

const folder = new URL("../../infra/compose/", import.meta.url).pathname;
const text = readFileSync(join(folder, "compose.yml"), "utf8");
const compose = parse(text, { merge: true }) as {
  services: Record<"minio" | "elasticmq" | "setup" | "relay" | "access" | "volumes", Service & Confinement>;
  volumes: Record<string, null>;
};
const { minio, elasticmq, setup, relay, access, volumes } = compose.services;

test(".env.example lists every required variable, and no secret has a value there", () => {
  const example = readFileSync(join(folder, ".env.example"), "utf8");
  const named = new Map(
    [...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
  const used = [...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name = ""]) => name);
  expect(used.filter((name) => !named.has(name))).toEqual([]);
  expect([...named.keys()].filter((name) => !used.includes(name))).toEqual([]);
  const required = [...text.matchAll(/\$\{([A-Z_]+):\?\}/g)].map(([, name = ""]) => name);
  expect(required).toEqual(expect.arrayContaining(["WEBHOOK_TOKEN", "DEFECTDOJO_URL", "DEFECTDOJO_APIKEY"]));
  for (const secret of [...required.filter((name) => /TOKEN|KEY|PASSWORD/.test(name)), "NOTIFY_URL"])
    expect(named.get(secret)).toBe("");
});

test("MinIO has the relay's URL, its token and a folder for undelivered events", () => {
  expect(minio.environment).toMatchObject({
    MINIO_NOTIFY_WEBHOOK_ENABLE_RELAY: "on",
    MINIO_NOTIFY_WEBHOOK_ENDPOINT_RELAY: "http://relay:8080/events",
    MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_RELAY: relay.environment?.WEBHOOK_TOKEN,
    MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_RELAY: "/events",
  });
  expect(setup.command).toEqual(["setup", "--target", "arn:minio:sqs::RELAY:webhook"]);
});

test("hardened 10: every container drops its capabilities, and all but one without a network run as non-root", () => {
  for (const [name, service] of Object.entries(compose.services)) {
    expect(service.cap_drop, name).toEqual(["ALL"]);
    expect(service.security_opt, name).toEqual(["no-new-privileges:true"]);
    expect(service.user, name).toBe(name === "volumes" ? "0:0" : "1000:1000");
  }
  expect(volumes).toMatchObject({ network_mode: "none", read_only: true, cap_add: ["CHOWN", "DAC_READ_SEARCH"] });
  const owned = volumes.volumes?.map((volume) => volume.split(":")[0]);
  expect(owned?.toSorted()).toEqual(Object.keys(compose.volumes).toSorted());
  for (const { depends_on } of [minio, elasticmq, relay])
    expect(depends_on?.volumes?.condition).toBe("service_completed_successfully");
});

test("hardened 10: the relay has a user of its own in MinIO, with a policy for its bucket alone", () => {
  const root = ["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"];
  expect(JSON.stringify(relay.environment)).not.toMatch(/MINIO_ROOT/);
  expect(relay.environment?.AWS_ACCESS_KEY_ID).toBe(access.environment?.RELAY_STORE_USER);
  expect(Object.keys(access.environment ?? {})).toEqual(expect.arrayContaining(root));
  expect(relay.depends_on?.access?.condition).toBe("service_completed_successfully");
  const policy = JSON.parse((access.environment?.POLICY ?? "").replaceAll(/\$\{BUCKET:-(\w+)\}/g, "$1")) as {
    Statement: { Effect: string; Action: string[]; Resource: string[] }[];
  };
  const bucket = "arn:aws:s3:::securecodebox";
  expect(policy.Statement.map(({ Resource }) => Resource)).toEqual([[bucket], [`${bucket}/*`]]);
  expect(policy.Statement.flatMap(({ Action }) => Action).filter((action) => action.includes("*"))).toEqual([]);
  const script = String(access.command?.[0]);
  // Compose would put the host's variables in place of the container's.
  expect(script.match(/(?<!\$)\$(?!\$)/g)).toBeNull();
});

test("events, objects, queues and the page's history live in declared volumes", () => {
  const mounted = [minio, elasticmq, relay].flatMap(({ volumes = [] }) =>
    volumes.map((volume) => volume.split(":")[0] ?? ""),
  );
  const named = mounted.filter((source) => !source.startsWith("."));
  expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
  for (const source of mounted.filter((each) => each.startsWith(".")))
    expect(existsSync(join(folder, source))).toBe(true);
});

test("the relay starts after the setup, on a read-only file system", () => {
  expect(relay.depends_on?.setup?.condition).toBe("service_completed_successfully");
  expect(setup.depends_on?.minio?.condition).toBe("service_healthy");
  expect([relay.read_only, setup.read_only]).toEqual([true, true]);
});

test("the relay's environment with .env.example is a valid configuration", () => {
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
  expect(readNotifierConfig(env)).toMatchObject({ NOTIFY_FORMAT: "json", NOTIFY_MINIMUM_SEVERITY: "Medium" });
  expect(Object.keys(readNotifierConfig(env))).not.toContain("NOTIFY_URL");
});

test("ElasticMQ returns queue URLs that the relay can reach, and persists messages", () => {
  const config = readFileSync(join(folder, "elasticmq.conf"), "utf8");
  expect(config).toMatch(/host = elasticmq\n\s+port = 9324/);
  expect(config).toContain("jdbc:h2:/data/messages;WRITE_DELAY=0");
  expect(elasticmq.volumes).toContain("queues:/data");
});
