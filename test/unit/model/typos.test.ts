import { describe, expect, it } from "vitest";
import { readDojoConfig, readStoreConfig } from "../../../lib/config.ts";
import { apiKeyIn, awsVariables, dojoUrlIn, typoWarnings } from "../../../lib/model/typos.ts";

describe("fixes typos in the DefectDojo URL, and reports them", () => {
  it.each([
    "https://dojo.example.com/api/v2",
    "https://dojo.example.com/api/v2/",
    "https://dojo.example.com/api/",
    "https://dojo.example.com/api/v2/oa3/swagger-ui/",
    "https://dojo.example.com/dashboard",
    "https://dojo.example.com/login?next=/",
    '"https://dojo.example.com"',
    " 'https://dojo.example.com/api/v2' ",
  ])("%s", (DEFECTDOJO_URL) => {
    expect(readDojoConfig({ DEFECTDOJO_URL }).DEFECTDOJO_URL).toBe("https://dojo.example.com");
    expect(typoWarnings({ DEFECTDOJO_URL })).toEqual([expect.stringContaining("DEFECTDOJO_URL")]);
  });

  it.each(["Token 0123abc", "token  0123abc", '"0123abc"', "'Token 0123abc'", 'Token "0123abc"'])("%s", (key) => {
    const env = { DEFECTDOJO_URL: "https://dojo.example.com", DEFECTDOJO_APIKEY: key };
    expect(readDojoConfig(env).DEFECTDOJO_APIKEY).toBe("0123abc");
    const [warning = ""] = typoWarnings(env);
    expect(warning).toContain("DEFECTDOJO_APIKEY");
    expect(warning).not.toContain("0123abc");
  });

  it("leaves correct values unchanged and unreported", () => {
    for (const url of [
      "https://dojo.example.com",
      "https://example.com/dojo",
      "https://example.com/login/dojo",
      "https://api.example.com/",
    ])
      expect(typoWarnings({ DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: "0123abc" })).toEqual([]);
    expect([dojoUrlIn("https://example.com/my-api"), apiKeyIn("tokenized")]).toEqual([
      "https://example.com/my-api",
      "tokenized",
    ]);
  });
});

describe("AWS_ENDPOINT_URL alone", () => {
  const both = { AWS_ENDPOINT_URL: "http://minio:9000" };

  it("is the fallback of both services", () => {
    expect(readStoreConfig(both)).toMatchObject({
      AWS_ENDPOINT_URL_S3: "http://minio:9000",
      AWS_ENDPOINT_URL_SQS: "http://minio:9000",
    });
  });

  it("yields to a service's own endpoint", () => {
    expect(readStoreConfig({ ...both, AWS_ENDPOINT_URL_SQS: "http://mq:9324" })).toMatchObject({
      AWS_ENDPOINT_URL_S3: "http://minio:9000",
      AWS_ENDPOINT_URL_SQS: "http://mq:9324",
    });
  });

  it("recognizes AWS variables by their names", () => {
    const ownDoing = { AWS_SDK_UA_APP_ID: "PT/NO-OP/2.36/PTEnv/NA", AWS_CA_BUNDLE: "/etc/ca.pem" };
    expect(awsVariables({ AWS_PROFILE: "x", AWS_REGION: " ", PATH: "/", ...ownDoing })).toEqual(["AWS_PROFILE"]);
  });
});
