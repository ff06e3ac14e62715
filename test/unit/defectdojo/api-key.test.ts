import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { apiKeySource, headerSource } from "../../../lib/defectdojo/api-key.ts";
import "../../helpers/no-network.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const secrets = mockClient(SecretsManagerClient);
const parameters = mockClient(SSMClient);
const region = process.env.AWS_REGION;
process.env.AWS_REGION = "eu-central-1";
afterAll(() => {
  if (region === undefined) delete process.env.AWS_REGION;
  else process.env.AWS_REGION = region;
});
beforeEach(() => {
  secrets.reset();
  parameters.reset();
});
/** Names are cached for minutes. */
let next = 0;
const name = () => `dojo-key-${next++}`;

describe("DefectDojo's API key", () => {
  it("is the environment's where that has one", async () => {
    const source = apiKeySource({ DEFECTDOJO_APIKEY: "key", DEFECTDOJO_APIKEY_SECRET: "secret" });
    expect(await source()).toBe("key");
    expect(secrets.calls()).toEqual([]);
  });

  it.each([
    ["plain text", "key\n", "key"],
    ["JSON, as secureCodeBox's Kubernetes secret has it", '{"username":"a","apikey":"key"}', "key"],
  ])("is a secret's: %s", async (_, stored, expected) => {
    secrets.on(GetSecretValueCommand).resolves({ SecretString: stored });
    expect(await apiKeySource({ DEFECTDOJO_APIKEY_SECRET: name() })()).toBe(expected);
  });

  it("is a binary secret's", async () => {
    secrets.on(GetSecretValueCommand).resolves({ SecretBinary: new TextEncoder().encode("key") });
    expect(await apiKeySource({ DEFECTDOJO_APIKEY_SECRET: name() })()).toBe("key");
  });

  it("is a parameter's, decrypted", async () => {
    parameters.on(GetParameterCommand).resolves({ Parameter: { Value: "key" } });
    const DEFECTDOJO_APIKEY_PARAMETER = name();
    expect(await apiKeySource({ DEFECTDOJO_APIKEY_PARAMETER })()).toBe("key");
    expect(parameters.commandCalls(GetParameterCommand)[0]?.args[0].input).toMatchObject({
      Name: DEFECTDOJO_APIKEY_PARAMETER,
      WithDecryption: true,
    });
  });

  it("is asked for anew where it was refused", async () => {
    secrets.on(GetSecretValueCommand).resolvesOnce({ SecretString: "old" }).resolves({ SecretString: "new" });
    const source = apiKeySource({ DEFECTDOJO_APIKEY_SECRET: name() });
    expect([await source(), await source(), await source("old"), await source()]).toEqual(["old", "old", "new", "new"]);
  });

  it("is asked for once in a while and not at every request", async () => {
    secrets.on(GetSecretValueCommand).resolves({ SecretString: "key" });
    const source = apiKeySource({ DEFECTDOJO_APIKEY_SECRET: name() });
    await source();
    await source();
    expect(secrets.commandCalls(GetSecretValueCommand)).toHaveLength(1);
  });

  it.each(["", " ", "{}", '{"apikey":""}', '{"apikey":7}', "{"])(
    "is not %j: the error names the secret",
    async (stored) => {
      secrets.on(GetSecretValueCommand).resolves({ SecretString: stored });
      const secret = name();
      const error = await relayErrorBy(apiKeySource({ DEFECTDOJO_APIKEY_SECRET: secret }));
      expect(error).toMatchObject({ reason: "config-invalid", object: secret });
    },
  );

  it("has to come from somewhere", async () => {
    const error = await relayErrorBy(() => apiKeySource({}));
    expect(error).toMatchObject({ reason: "config-invalid", object: "environment" });
    for (const variable of ["DEFECTDOJO_APIKEY", "DEFECTDOJO_APIKEY_SECRET", "DEFECTDOJO_APIKEY_PARAMETER"])
      expect(error.message).toContain(variable);
  });
});

describe("headers for a gate before DefectDojo", () => {
  it("are the environment's, none where it has none", async () => {
    expect(await headerSource({ DEFECTDOJO_APIKEY: "k", DEFECTDOJO_HEADERS: { "X-Gate": "v" } })()).toEqual({
      "X-Gate": "v",
    });
    expect(await headerSource({ DEFECTDOJO_APIKEY: "k" })()).toEqual({});
  });

  it("come from the key's secret too, with one question for both", async () => {
    secrets.on(GetSecretValueCommand).resolves({ SecretString: '{"apikey":"key","headers":{"X-Gate":"secret"}}' });
    const config = { DEFECTDOJO_APIKEY_SECRET: name(), DEFECTDOJO_HEADERS: { "X-Gate": "env", "X-Other": "env" } };
    expect(await apiKeySource(config)()).toBe("key");
    expect(await headerSource(config)()).toEqual({ "X-Gate": "secret", "X-Other": "env" });
    expect(secrets.commandCalls(GetSecretValueCommand)).toHaveLength(1);
  });

  it.each(["key", '{"apikey":"key"}'])("a secret without any has none: %s", async (SecretString) => {
    secrets.on(GetSecretValueCommand).resolves({ SecretString });
    expect(await headerSource({ DEFECTDOJO_APIKEY_SECRET: name() })()).toEqual({});
  });

  it.each([
    ['{"apikey":"key","headers":{"Authorization":"hidden"}}', "Authorization"],
    ['{"apikey":"key","headers":{"X Gate":"hidden"}}', "X Gate"],
    [String.raw`{"apikey":"key","headers":{"X-Gate":"hid\nden"}}`, "X-Gate"],
    ['{"apikey":"key","headers":{"X-Gate":["hidden"]}}', "X-Gate"],
  ])("a wrong one is named, its value is not: %s", async (SecretString, header) => {
    secrets.on(GetSecretValueCommand).resolves({ SecretString });
    const secret = name();
    const error = await relayErrorBy(headerSource({ DEFECTDOJO_APIKEY_SECRET: secret }));
    expect(error).toMatchObject({ reason: "config-invalid", object: secret });
    expect(error.message).toContain(header);
    expect(error.message).not.toContain("hid");
  });
});
