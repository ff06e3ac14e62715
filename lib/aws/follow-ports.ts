import type { Env, FollowConfig } from "../config.ts";
import { dojoApi } from "../defectdojo/api.ts";
import { dojoTransport } from "../defectdojo/dojo-port.ts";
import { verdictFeed } from "../defectdojo/verdict-feed.ts";
import type { FollowPorts } from "../follow/follow-round.ts";
import { followStateStore } from "../follow/follow-state.ts";
import { followStateKey } from "../model/state-keys.ts";
import type { Observer } from "../observe.ts";
import { testIndex } from "../ports/test-index.ts";
import { systemClock } from "../util/clock.ts";
import type { Clients } from "./ingest-ports.ts";
import { s3Storage } from "./s3-storage.ts";
import { sqsQueue } from "./sqs-queue.ts";

/** The ports that `follow` uses. */
export function followPorts(
  config: FollowConfig & { readonly QUEUE_URL: string },
  observer: Observer,
  { s3, sqs }: Clients,
  proxyEnv: Env,
): FollowPorts {
  const { BUCKET: bucket, DEFECTDOJO_URL: dojoUrl } = config;
  const storage = s3Storage(s3);
  return {
    ...observer,
    feed: verdictFeed(dojoApi(dojoTransport(config, proxyEnv))),
    index: testIndex(storage, bucket, (testId) => `${dojoUrl}/test/${testId}`),
    state: followStateStore(storage, { bucket, key: followStateKey(dojoUrl) }, observer.log),
    queue: sqsQueue(sqs, config.QUEUE_URL),
    clock: systemClock,
  };
}
