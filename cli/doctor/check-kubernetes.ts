import { type Env, readServiceConfig } from "../../lib/config.ts";
import { RelayError } from "../../lib/errors.ts";
import { type ClusterScan, clusterScan, objectAt } from "../../lib/model/cluster-scan.ts";
import {
  findingsSuffix,
  isFindingsName,
  nameOf,
  type ObjectRef,
  rawResultsOf,
  uri,
} from "../../lib/model/object-keys.ts";
import { parseSidecar } from "../../lib/model/scan.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import { type Cluster, openCluster } from "../kubernetes/cluster.ts";
import { RIGHTS, type Right, rightName } from "../kubernetes/rights.ts";
import type { Operator } from "../operator.ts";
import { type Diagnosis, examine, fail, ok, warn } from "./finding.ts";

/** A Scan as `NAMESPACE/NAME`, or true for any finished one. */
export type AskedScan = string | true;

interface Look {
  readonly cluster: Cluster;
  /** undefined: all. */
  readonly namespaces: readonly (string | undefined)[];
  readonly asked: AskedScan;
  readonly config: Pick<Operator["config"], "BUCKET" | "FINDINGS_NAME">;
  readonly storage: Storage;
}

/** Checks the Kubernetes API as the service uses it: connection, permissions, CRD, operator, and one finished Scan's objects in the bucket. */
export async function checkKubernetes(
  env: Env,
  { config, storage }: Pick<Operator, "config" | "storage">,
  asked: AskedScan,
  open: (env: Env) => Promise<Cluster> = openCluster,
): Promise<Diagnosis[]> {
  return await examine("kubernetes", async () => {
    const { SCAN_NAMESPACES, SCAN_STATUS } = readServiceConfig(env);
    const namespaces = SCAN_NAMESPACES.length === 0 ? [undefined] : SCAN_NAMESPACES;
    const look: Look = { cluster: await open(env), namespaces, asked, config, storage };
    const used = RIGHTS.filter(({ subresource }) => SCAN_STATUS || subresource !== "status");
    const rights = await checkRights(look, used);
    // What is missing is said even where its want makes the list fail.
    return [...rights, ...(await examine("scans", () => checkScans(look)))];
  });
}

/** "rights" alone are those in DefectDojo. */
const RIGHTS_CHECK = "Kubernetes rights";

async function checkRights({ cluster, namespaces }: Look, used: readonly Right[]): Promise<Diagnosis[]> {
  try {
    const missing: string[] = [];
    let needed = false;
    for (const namespace of namespaces) {
      for (const right of used) {
        if (await cluster.may(right, namespace)) continue;
        missing.push(
          `${rightName(right)} ${namespace === undefined ? "in all namespaces" : `in ${namespace}`} (${right.use})`,
        );
        needed ||= !right.optional;
      }
    }
    if (missing.length === 0)
      return [ok(RIGHTS_CHECK, "the service account has all permissions that the service needs")];
    const remedy =
      "Grant them: kubernetes.rbac.create of the chart, or the table in docs/kubernetes.md. SCAN_NAMESPACES names the namespaces of a Role.";
    return [(needed ? fail : warn)(RIGHTS_CHECK, `missing: ${missing.join(", ")}`, remedy)];
  } catch (error) {
    if (!(error instanceof RelayError && error.status === 404)) throw error;
    return [warn(RIGHTS_CHECK, "this API server has no authorization API", "The checks below show what works.")];
  }
}

async function checkScans(look: Look): Promise<Diagnosis[]> {
  const { cluster, namespaces } = look;
  try {
    const pages = await Promise.all(namespaces.map((namespace) => cluster.listScans(namespace)));
    const scans = pages.flatMap(({ items }) => items.flatMap((item) => clusterScan(item) ?? []));
    const more = pages.some(({ next }) => next !== undefined) ? "at least " : "";
    const listed = ok("scans", `${cluster.server} has ${more}${scans.length} of them`);
    return [listed, ...(await examine("operator", () => checkOperator(look, scans)))];
  } catch (error) {
    if (!(error instanceof RelayError && error.status === 404)) throw error;
    const says = "the API server knows no scans.execution.securecodebox.io";
    return [fail("scans", says, "Install secureCodeBox's operator, which includes the CRD.")];
  }
}

async function checkOperator(look: Look, scans: readonly ClusterScan[]): Promise<Diagnosis[]> {
  const begun = scans.filter(({ findings }) => findings !== undefined);
  if (scans.length > 0 && begun.length === 0) {
    const remedy =
      "Check that secureCodeBox's operator runs: kubectl --namespace securecodebox-system get deployments.";
    return [warn("operator", "no Scan has links to its results: the operator has not started any", remedy)];
  }
  const [namespace = "", name = ""] = look.asked === true ? [] : look.asked.split("/");
  const asked = look.asked === true ? undefined : clusterScan(await look.cluster.getScan({ namespace, name }));
  const scan = asked ?? begun.filter(({ phase }) => phase === "final").at(-1);
  if (scan === undefined)
    return [ok("operator", "no Scan is finished yet: run one, then run doctor again to check where its results are")];
  return [
    ok("operator", `Scan ${scan.namespace}/${scan.name} is ${scan.phase}, with links to its results`),
    ...(await checkObjects(look, scan)),
  ];
}

async function checkObjects({ config, storage }: Look, scan: ClusterScan): Promise<Diagnosis[]> {
  const { BUCKET: bucket, FINDINGS_NAME: name } = config;
  const findings = scan.findings === undefined ? undefined : objectAt(scan.findings, bucket);
  const link = scan.findings === undefined ? "nowhere" : `${scan.findings.host}/${scan.findings.path}`;
  if (findings === undefined || findings.bucket !== bucket)
    return [
      fail(
        "bucket of the operator",
        `its link leads to ${link}, not into ${bucket}`,
        "Set BUCKET to the operator's S3_BUCKET.",
      ),
    ];
  if (!isFindingsName(name, nameOf(findings.key)))
    return [
      fail(
        "URL template",
        `the operator's S3_URL_TEMPLATE makes ${findings.key}, which is no ${name}`,
        `Set FINDINGS_NAME to a pattern with one * beside "findings", such as *-${findingsSuffix("findings.json")}.`,
      ),
    ];
  const diagnoses = [ok("URL template", `${findings.key} is found by its link`)];
  if (scan.problem !== undefined) throw scan.problem;
  const { rawResultFile } = parseSidecar(scan.content, `Scan ${scan.namespace}/${scan.name}`);
  const objects: ObjectRef[][] = [
    [findings],
    ...(rawResultFile === undefined ? [] : [rawResultsOf(findings, rawResultFile)]),
  ];
  for (const places of objects) {
    const heads = await Promise.all(places.map((place) => storage.head(place)));
    const [place] = places;
    if (place === undefined) continue;
    diagnoses.push(
      heads.some((head) => head !== undefined)
        ? ok("results", `${uri(place)} can be read`)
        : warn(
            "results",
            `${uri(place)} does not exist`,
            "Check the credentials for the bucket, and whether the scan has failed.",
          ),
    );
  }
  return diagnoses;
}
