import type { Message } from "@aws-sdk/client-sqs";
import { describe, expect, it } from "vitest";
import { toDeadLetter } from "../../cli/dlq/dead-letter.ts";
import { parseFilter, selection } from "../../cli/dlq/dead-letter-filter.ts";
import { messageGroup } from "../../lib/model/job.ts";
import { cli, cliJson, startCli } from "./cli.ts";
import { aProductJob, startQueues, type TestQueues } from "./cli-queues.ts";

interface Listed {
  readonly id: string;
  readonly reason: string;
  readonly scan: string;
  readonly attempts: number;
  readonly ageSeconds: number;
}

const list = ({ env }: TestQueues, ...args: string[]) => cliJson<Listed[]>(["dlq", "list", ...args], env);
const scansOf = (letters: readonly Listed[]) => letters.map(({ scan }) => scan).sort();
const bodies = (messages: readonly Message[]) => messages.map(({ Body }) => Body ?? "").sort();
/** The scans of the jobs in the queue. */
const names = (messages: readonly Message[]) =>
  messages.map(({ Body = "" }) => (JSON.parse(Body) as { scan: { name: string } }).scan.name);
const expected = (count: number) => Array.from({ length: count }, (_, index) => `scan-${index}`);

describe("a filter", () => {
  const HOUR = 3_600_000;
  const letters = [
    ["scan-1", "shop", "sidecar-missing", Date.now() - 2 * HOUR],
    ["scan-2", "shop", "dojo-timeout", Date.now()],
    ["scan-3", "other", undefined, Date.now()],
  ].map(([name, product, reason, at]) =>
    toDeadLetter({
      MessageId: `id of ${name}`,
      Body: JSON.stringify(aProductJob(Number(String(name).slice(-1)), String(product))),
      Attributes: { SentTimestamp: String(at) },
      MessageAttributes:
        reason === undefined
          ? {}
          : {
              reason: { DataType: "String", StringValue: String(reason) },
              errorClass: { DataType: "String", StringValue: "transient" },
              failedAt: { DataType: "String", StringValue: new Date(Number(at)).toISOString() },
            },
    }),
  );
  it.each([
    ["reason=sidecar-missing", ["scan-1"]],
    ["reason=sidecar-missing,dojo-timeout", ["scan-1", "scan-2"]],
    ["reason=received too often", ["scan-3"]],
    ["class=transient", ["scan-1", "scan-2"]],
    ["scan=scan-2", ["scan-2"]],
    ["scan=default/*-3", ["scan-3"]],
    ["product=Other", ["scan-3"]],
    ["findings=scan-1/*", ["scan-1"]],
    ["findings=s3://securecodebox/*", ["scan-1", "scan-2", "scan-3"]],
    ["older=1h", ["scan-1"]],
    ["newer=1h", ["scan-2", "scan-3"]],
  ])("%s", (filter, scans) => {
    const selects = selection([], parseFilter(filter));
    expect(letters.filter(selects).map(({ scan }) => scan.replace("default/", ""))).toEqual(scans);
  });

  it.each(["reasons=x", "reason", "=x", "older=soon", "reason= "])("refuses %s", (filter) => {
    expect(() => parseFilter(filter)).toThrow(/It must be FIELD=VALUE|not an age/);
  });
});

describe.concurrent("dlq list", { timeout: 120_000 }, () => {
  it("finds every message of a product, although SQS returns at most ten of a group, and leaves them unchanged", async () => {
    await using queues = await startQueues();
    for (let n = 0; n < 23; n++) await queues.deadLetter(aProductJob(n, "shop"));
    for (let n = 23; n < 30; n++) await queues.deadLetter(aProductJob(n, `product ${n % 3}`));
    const first = await list(queues);
    expect(scansOf(first)).toEqual(
      expected(30)
        .map((name) => `default/${name}`)
        .sort(),
    );
    expect(await queues.count("dlq")).toEqual({ waiting: 30, inFlight: 0 });
    expect(await queues.count("queue")).toEqual({ waiting: 0, inFlight: 0 });

    const again = await list(queues);
    expect(new Map(again.map(({ id, scan }) => [scan, id]))).toEqual(new Map(first.map(({ id, scan }) => [scan, id])));
    expect(again.every(({ attempts, reason }) => attempts === 5 && reason === "dojo-unreachable")).toBe(true);
    const shop = (await queues.drain("dlq")).filter(
      ({ Attributes }) => Attributes?.MessageGroupId === messageGroup(aProductJob(0, "shop")),
    );
    expect(names(shop)).toEqual(expected(23));
  });

  it("--peek moves nothing and reports how many it has not shown", async () => {
    await using queues = await startQueues();
    for (let n = 0; n < 13; n++) await queues.deadLetter(aProductJob(n, "shop"));
    const { stdout, stderr } = await cli(["dlq", "list", "--peek", "--json"], queues.env);
    expect(JSON.parse(stdout)).toHaveLength(10);
    expect(stderr).toMatch(/^3 more lie behind these/m);
    expect(
      (await queues.drain("dlq")).every(({ MessageAttributes = {} }) => !("deadLetterId" in MessageAttributes)),
    ).toBe(true);
  });

  it("shows reason, age, tries and scan in a table; messages that SQS moved itself were received too often", async () => {
    await using queues = await startQueues();
    await queues.deadLetter(aProductJob(1, "shop"), "sidecar-missing", new Date(Date.now() - 2 * 86_400_000));
    await queues.moveAside(JSON.stringify(aProductJob(2, "shop")), "some-group");
    await queues.moveAside("no job at all", "notifications");
    const { stdout, code } = await cli(["dlq", "list"], queues.env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^id +reason +age +tries +scan +error$/m);
    expect(stdout).toMatch(/sidecar-missing +2d +5 +default\/scan-1 +scan-1\/findings\.json: it failed/);
    expect(stdout).toMatch(/received-too-often +\d+s +1 +default\/scan-2 +SQS moved it here/);
    expect(stdout).toMatch(/received-too-often +\d+s +1 +message [\da-f-]{36}/);
  });

  it("combines several filters and rejects invalid ones", async () => {
    await using queues = await startQueues();
    await queues.deadLetter(aProductJob(1, "shop"), "sidecar-missing");
    await queues.deadLetter(aProductJob(2, "shop"), "dojo-timeout");
    await queues.deadLetter(aProductJob(3, "other"), "dojo-timeout");
    const found = await list(queues, "--filter", "reason=dojo-timeout", "--filter", "product=shop");
    expect(scansOf(found)).toEqual(["default/scan-2"]);
    const { code, stderr } = await cli(["dlq", "list", "--filter", "reasons=x"], queues.env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/argument 'reasons=x' is invalid\. It must be FIELD=VALUE.* reason, class, scan/);
  });

  it("reports an empty queue, a missing queue and a missing server", async () => {
    await using queues = await startQueues();
    expect(await cli(["dlq", "list"], queues.env)).toMatchObject({ code: 0, stdout: "(nothing)\n" });
    const elsewhere = { ...queues.env, DLQ_URL: `${queues.dlqUrl}x` };
    const noQueue = await cli(["dlq", "list"], elsewhere);
    expect(noQueue).toMatchObject({ code: 1, stdout: "" });
    expect(noQueue.stderr).toMatch(/dojo-relay setup/);
    const noServer = await cli(["dlq", "list"], { AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1" });
    expect(noServer.code).toBe(1);
    expect(noServer.stderr).toMatch(/ECONNREFUSED[\s\S]*Check AWS_ENDPOINT_URL_SQS/);
    expect(noServer.stderr).not.toMatch(/\n\s+at /);
  });
});

describe.concurrent("dlq show", { timeout: 120_000 }, () => {
  it("shows all details of one message by its id or an id prefix", async () => {
    await using queues = await startQueues();
    await queues.deadLetter(aProductJob(1, "shop"), "dojo-rejected");
    await queues.deadLetter(aProductJob(2, "shop"));
    const [one] = (await list(queues)).filter(({ scan }) => scan === "default/scan-1");
    const { stdout, code } = await cli(["dlq", "show", one?.id.slice(0, 8) ?? ""], queues.env);
    expect(code).toBe(0);
    for (const part of [one?.id ?? "", "dojo-rejected (permanent)", "it failed", "Correct the field", '"scan-1"']) {
      expect(stdout).toContain(part);
    }
    expect(await cliJson(["dlq", "show", one?.id ?? ""], queues.env)).toMatchObject({
      scan: "default/scan-1",
      product: "shop",
      findings: "s3://securecodebox/scan-1/findings.json",
      job: { kind: "import", key: "scan-1/findings.json" },
    });
    expect(await queues.count("dlq")).toEqual({ waiting: 2, inFlight: 0 });
  });

  it.each([
    ["11111111-1111", /holds no message 11111111-1111/],
    ["1", /too short for an id/],
  ])("%s is refused", async (id, says) => {
    await using queues = await startQueues();
    const { code, stderr } = await cli(["dlq", "show", id], queues.env);
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
  });
});

describe.concurrent("dlq drop", { timeout: 120_000 }, () => {
  it("deletes by id and filter, also behind other messages, and nothing without a selection", async () => {
    await using queues = await startQueues();
    for (let n = 0; n < 15; n++)
      await queues.deadLetter(aProductJob(n, "shop"), n > 11 ? "findings-missing" : "dojo-busy");
    expect(await cli(["dlq", "drop"], queues.env)).toMatchObject({ code: 1, stdout: "" });
    expect(await cliJson(["dlq", "drop", "--filter", "reason=findings-missing"], queues.env)).toEqual({ dropped: 3 });
    const [one] = (await list(queues)).filter(({ scan }) => scan === "default/scan-4");
    expect(await cli(["dlq", "drop", one?.id ?? ""], queues.env)).toMatchObject({
      code: 0,
      stdout: "1 message dropped\n",
    });
    expect(await cli(["dlq", "drop", one?.id ?? ""], queues.env)).toMatchObject({ code: 1 });
    expect(await cliJson(["dlq", "drop", "--all"], queues.env)).toEqual({ dropped: 11 });
    expect(await queues.count("dlq")).toEqual({ waiting: 0, inFlight: 0 });
    expect(await queues.count("queue")).toEqual({ waiting: 0, inFlight: 0 });
  });
});

describe.concurrent("dlq redrive", { timeout: 120_000 }, () => {
  it("moves all messages in order, in their product groups, with new deduplication ids and progress", async () => {
    await using queues = await startQueues();
    for (let n = 0; n < 25; n++) await queues.deadLetter(aProductJob(n, `product ${n % 2}`));
    await queues.moveAside('{"Records":[]}', "notifications");
    const { code, stdout, stderr } = await cli(["dlq", "redrive"], queues.env);
    expect(code).toBe(0);
    expect(stdout).toBe("26 messages moved back to the job queue\n");
    expect(stderr.match(/^moved \d+\/26 default\/scan-\d+ \(dojo-unreachable\)$/gm)).toHaveLength(25);
    expect(await queues.count("dlq")).toEqual({ waiting: 0, inFlight: 0 });
    const moved = await queues.drain("queue");
    for (const group of [0, 1].map((n) => messageGroup(aProductJob(n, `product ${n}`)))) {
      const ofGroup = moved.filter(({ Attributes }) => Attributes?.MessageGroupId === group);
      expect(names(ofGroup)).toEqual(
        expected(25).filter((_, n) => messageGroup(aProductJob(n, `product ${n % 2}`)) === group),
      );
    }
    expect(new Set(moved.map(({ Attributes }) => Attributes?.MessageDeduplicationId)).size).toBe(26);
    expect(moved.find(({ Body }) => Body === '{"Records":[]}')?.Attributes?.MessageGroupId).toBe("notifications");
    expect(moved.every(({ MessageAttributes }) => MessageAttributes === undefined)).toBe(true);
  });

  it("--force marks only jobs; --native cannot", async () => {
    await using queues = await startQueues();
    await queues.deadLetter(aProductJob(0, "shop"));
    await queues.moveAside('{"Records":[]}', "notifications");
    expect(await cliJson(["dlq", "redrive", "--force"], queues.env)).toEqual({ moved: 2 });
    const bodies = (await queues.drain("queue")).map(({ Body = "" }) => JSON.parse(Body));
    expect(bodies).toContainEqual({ ...aProductJob(0, "shop"), force: true });
    expect(bodies).toContainEqual({ Records: [] });
    expect((await cli(["dlq", "redrive", "--force", "--native"], queues.env)).code).toBe(1);
  });

  it("accepts ids and filters, also for messages behind others that stay", async () => {
    await using queues = await startQueues();
    for (let n = 0; n < 25; n++)
      await queues.deadLetter(aProductJob(n, "shop"), n % 5 === 4 ? "dojo-timeout" : "dojo-forbidden");
    expect(await cliJson(["dlq", "redrive", "--filter", "reason=dojo-timeout"], queues.env)).toEqual({ moved: 5 });
    expect(names(await queues.drain("queue"))).toEqual([4, 9, 14, 19, 24].map((n) => `scan-${n}`));
    const listed = await list(queues);
    expect(listed).toHaveLength(20);
    const ids = listed.filter(({ scan }) => /-1[0-3]$/.test(scan)).map(({ id }) => id);
    expect(await cliJson(["dlq", "redrive", ...ids], queues.env)).toEqual({ moved: 4 });
    expect(names(await queues.drain("queue"))).toEqual(["scan-10", "scan-11", "scan-12", "scan-13"]);
    expect(await queues.count("dlq")).toEqual({ waiting: 16, inFlight: 0 });
  });

  it("ends even if the moved jobs fail again at once", async () => {
    await using queues = await startQueues();
    for (let n = 0; n < 30; n++) await queues.deadLetter(aProductJob(n, `product ${n % 4}`));
    const running = startCli(["dlq", "redrive", "--json"], queues.env);
    let ended = false;
    void running.result.then(() => {
      ended = true;
    });
    while (!ended) {
      for (const { Body = "{}" } of await queues.drain("queue")) await queues.deadLetter(JSON.parse(Body));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(JSON.parse((await running.result).stdout)).toEqual({ moved: 30 });
    for (const { Body = "{}" } of await queues.drain("queue")) await queues.deadLetter(JSON.parse(Body));
    expect(names(await queues.drain("dlq")).sort()).toEqual(expected(30).sort());
  });

  it.each([0, 1, 7, 19])("interrupted after %i messages releases the rest and loses none", async (count) => {
    await using queues = await startQueues();
    for (let n = 0; n < 20; n++) await queues.deadLetter(aProductJob(n, `product ${n % 3}`));
    const running = startCli(["dlq", "redrive", "--rate", "200"], queues.env);
    if (count > 0) await running.lines(count);
    running.kill("SIGINT");
    const { code } = await running.result;
    expect([130, 0, null]).toContain(code);
    const left = await queues.count("dlq");
    expect(left.inFlight).toBe(0);
    const [moved, stayed] = [names(await queues.drain("queue")), names(await queues.drain("dlq"))];
    expect([...moved, ...stayed].sort()).toEqual(expected(20).sort());
    if (code === 130) expect(moved.length).toBeGreaterThanOrEqual(count);
  });

  it("--native is rejected if the server has no move tasks, and accepts no filter", async () => {
    await using queues = await startQueues();
    await queues.deadLetter(aProductJob(1, "shop"));
    const refused = await cli(["dlq", "redrive", "--native"], queues.env);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/cannot be moved by the server[\s\S]*Omit --native/);
    const filtered = await cli(["dlq", "redrive", "--native", "--filter", "reason=x"], queues.env);
    expect(filtered.stderr).toMatch(/--native moves all messages/);
    expect(bodies(await queues.drain("dlq"))).toHaveLength(1);
  });
});
