import { readFile } from "node:fs/promises";
import { load as parseYaml } from "js-yaml";
import type { Env, HookConfig } from "../../lib/config.ts";
import { describeError, RelayError } from "../../lib/errors.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { asked } from "../kubernetes/asked.ts";
import { SCANS } from "../kubernetes/cluster.ts";

/** Where the hook gets its Scan. */
export interface ScanSource {
  /** Its name in messages. */
  readonly name: string;
  /** The Scan resource, not yet checked. */
  read(): Promise<unknown>;
  /** Sets `status.findings` of the Scan; missing where there is no cluster. */
  readonly patchFindings?: (findings: Receipt["findings"]) => Promise<void>;
}

/** The Scan in a file, as `kubectl get scan NAME -o json` (or yaml) prints it. */
export function scanFile(path: string): ScanSource {
  return {
    name: path,
    read: async () => {
      try {
        return parseYaml(await readFile(path, "utf8"), { maxAliases: 100 });
      } catch (cause) {
        throw new RelayError("sidecar-invalid", `${path} cannot be read: ${describeError(cause)}`, {
          object: path,
          cause,
        });
      }
    },
  };
}

/**
 * The Scan in the Kubernetes API: of the cluster that the process runs in, or with DEFECTDOJO_IS_DEV of the kubeconfig (KUBECONFIG, ~/.kube/config).
 * @param rootFolder of the service account's files
 * @throws RelayError `config-invalid`
 */
export async function scanResource(
  config: Pick<HookConfig, "SCAN_NAME" | "NAMESPACE">,
  env: Env,
  isDev: boolean,
  rootFolder = "",
): Promise<ScanSource> {
  const { SCAN_NAME: scanName, NAMESPACE: namespace } = config;
  if (scanName === undefined) throw invalid("SCAN_NAME is not set: set it, or pass the Scan as a file with --scan");
  if (!isDev && (env.KUBERNETES_SERVICE_HOST ?? "") === "") {
    throw invalid(
      "not in a cluster (KUBERNETES_SERVICE_HOST is not set): set DEFECTDOJO_IS_DEV=true to use a kubeconfig, or pass the Scan as a file with --scan",
    );
  }
  const { CustomObjectsApi, KubeConfig, PatchStrategy, setHeaderOptions } = await import("@kubernetes/client-node");
  const kubeConfig = new KubeConfig();
  try {
    if (isDev) kubeConfig.loadFromDefault();
    else kubeConfig.loadFromCluster(rootFolder);
  } catch (cause) {
    throw new RelayError("config-invalid", `the kubeconfig cannot be used: ${describeError(cause)}`, { cause });
  }
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const name = `Scan ${namespace}/${scanName}`;
  const scan = { ...SCANS, namespace, name: scanName };
  return {
    name,
    read: async () => await asked(`GET ${name}`, () => api.getNamespacedCustomObject(scan)),
    patchFindings: async (findings) => {
      // A JSON patch, like the reference hook's: a merge patch would keep categories of an earlier count.
      const body = [{ op: "add", path: "/status/findings", value: findings }];
      const options = setHeaderOptions("Content-Type", PatchStrategy.JsonPatch);
      await asked(`PATCH status of ${name}`, () => api.patchNamespacedCustomObjectStatus({ ...scan, body }, options));
    },
  };
}

function invalid(message: string): RelayError {
  return new RelayError("config-invalid", message, { object: "environment" });
}
