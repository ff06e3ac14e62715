import { Command } from "commander";
import { type DojoConfig, type Env, readDojoConfig } from "../lib/config.ts";
import { apiKeySource } from "../lib/defectdojo/api-key.ts";
import { RelayError } from "../lib/errors.ts";
import { typoWarnings } from "../lib/model/typos.ts";
import { checkBucket } from "./doctor/check-bucket.ts";
import { checkDojo } from "./doctor/check-dojo.ts";
import { type AskedScan, checkKubernetes } from "./doctor/check-kubernetes.ts";
import { checkQueues } from "./doctor/check-queues.ts";
import { type Diagnosis, fail, ok, warn } from "./doctor/finding.ts";
import { type Operator, operator } from "./operator.ts";
import { print } from "./options.ts";
import { printableLine } from "./terminal/printable.ts";

const LABELS = { ok: "ok  ", warn: "WARN", fail: "FAIL" } as const;

/** `dojo-relay doctor`: checks a set-up before the first scan. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check the set-up (configuration, DefectDojo, bucket, queues) and explain how to fix each problem")
    .option("--product-type <name>", "check for this product type instead of the default one (id 1)")
    .option("--kubernetes [scan]", "check the Kubernetes API too, with this Scan (NAMESPACE/NAME) or any finished one")
    .option("--json", "print an array of {level, check, says, remedy}")
    .addHelpText("after", HELP)
    .action(async ({ productType, kubernetes, json }: Options) => {
      const diagnoses = await diagnose(process.env, productType, kubernetes);
      print(diagnoses, json, () => diagnoses.map(toLine).join("\n"));
      if (diagnoses.some(({ level }) => level === "fail")) process.exitCode = 1;
    });
}

interface Options {
  readonly productType?: string;
  readonly kubernetes?: AskedScan;
  readonly json?: boolean;
}

const HELP = `
Nothing is changed but a scratch object in the bucket, which is removed again. Exit 1 if something will not work.

Examples:
  $ dojo-relay doctor
  $ AWS_ENDPOINT_URL_S3=http://minio:9000 BUCKET=securecodebox DEFECTDOJO_URL=… DEFECTDOJO_APIKEY=… dojo-relay doctor
  $ dojo-relay doctor --kubernetes scans/nmap-1
  $ dojo-relay doctor --product-type "Web shops" --json`;

/** Every check; the parts run in parallel. */
export async function diagnose(env: Env, productType?: string, scan?: AskedScan): Promise<Diagnosis[]> {
  const dojo = configuration(() => {
    const config = readDojoConfig(env);
    apiKeySource(config);
    return config;
  });
  const aws = configuration(() => operator(env));
  const problems = [dojo, aws].flatMap((read) => ("problem" in read ? read.problem : []));
  const parts = await Promise.all([
    "value" in dojo ? checkDojo(dojo.value, env, productType) : [],
    "value" in aws ? checkBucket(aws.value.s3, aws.value.config, env) : [],
    "value" in aws ? checkQueues(aws.value) : [],
    "value" in aws && scan !== undefined ? checkKubernetes(env, aws.value, scan) : [],
  ]);
  const typos = typoWarnings(env).map((typo) =>
    warn("configuration", typo, "It works as it is; correct the variable."),
  );
  problems.push(...typos);
  return [...(problems.length === 0 ? [ok("configuration", "every variable can be read")] : problems), ...parts.flat()];
}

type Configured<T> = { readonly value: T } | { readonly problem: Diagnosis };

function configuration<T extends DojoConfig | Operator>(read: () => T): Configured<T> {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    return { problem: fail("configuration", error.message, error.advice) };
  }
}

function toLine({ level, check, says, remedy }: Diagnosis): string {
  return `${LABELS[level]}  ${check}: ${printableLine(says)}${remedy === undefined ? "" : `\n      → ${printableLine(remedy)}`}`;
}
