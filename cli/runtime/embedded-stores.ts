import { join } from "node:path";
import type { EmbeddedStore } from "../../infra/local/http-listener.ts";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import type { ServiceConfig } from "../../lib/config.ts";
import type { Log } from "../../lib/observe.ts";

/** The embedded store's name for the receiver in its notification ARN. */
const TARGET = "relay";

/** The receiver as a bucket's notification names it. */
export const TARGET_ARN = `arn:minio:sqs::${TARGET}:webhook`;

export interface EmbeddedOptions {
  /** Where the store sends its notifications. */
  readonly events: { readonly endpoint: string; readonly authToken: string };
  readonly log: Log;
  /** Receives each store as soon as it runs. */
  readonly started: (store: EmbeddedStore) => void;
}

/** Starts the stores for which the environment has no endpoint. @returns region and endpoints of both */
export async function startEmbeddedStores(service: ServiceConfig, { events, log, started }: EmbeddedOptions) {
  const report = (message: string) => log.warn(message);
  const run = async (starting: Promise<EmbeddedStore>) => {
    const store = await starting;
    started(store);
    return store.url;
  };
  const s3 =
    service.AWS_ENDPOINT_URL_S3 ??
    (await run(
      startEmbeddedS3({
        report,
        port: service.S3_PORT,
        dataDir: join(service.DATA_DIR, "s3"),
        targets: { [TARGET]: events },
      }),
    ));
  const sqs =
    service.AWS_ENDPOINT_URL_SQS ??
    (await run(startEmbeddedSqs({ report, port: service.SQS_PORT, dataDir: join(service.DATA_DIR, "sqs") })));
  return { AWS_REGION: service.AWS_REGION, AWS_ENDPOINT_URL_S3: s3, AWS_ENDPOINT_URL_SQS: sqs };
}
