import "../lib/util/memory.ts";
import middy from "@middy/core";
import { s3Client, sqsClient } from "../lib/aws/clients.ts";
import { followPorts } from "../lib/aws/follow-ports.ts";
import { powertoolsObserver } from "../lib/aws/powertools.ts";
import { readFollowFunctionConfig } from "../lib/config.ts";
import { followRound } from "../lib/follow/follow-round.ts";
import { warnOfTypos } from "../lib/model/typos.ts";

const config = readFollowFunctionConfig(process.env);
const observer = powertoolsObserver("follow", config);
warnOfTypos(process.env, observer.log);
const clients = { s3: s3Client(config, process.env), sqs: sqsClient(config, process.env) };
const ports = followPorts(config, observer, clients, process.env);

/** Lambda, every minute: one round over DefectDojo's feed of verdicts. */
export const handler = middy(async () => followRound(ports, { bucket: config.BUCKET, since: undefined }))
  .after(observer.flush)
  .onError(observer.flush);
