import type { ObjectRef } from "../model/object-keys.ts";

/** A Scan as the cluster has it. */
export interface FoundScan {
  readonly uid: string;
  /** In the sidecar's shape, with nothing that the sidecar's schema does not read. */
  readonly content: unknown;
}

/** Where a Scan comes from when it need not lie beside its findings: the Kubernetes API. */
export interface ScanSource {
  /** Whether the cluster's Scan counts more than a sidecar that somebody put beside the findings. */
  readonly first: boolean;
  /**
   * The Scan whose results these objects are, or undefined where the cluster has none.
   * @throws RelayError `cluster-…` where nobody can tell, `sidecar-invalid` for a Scan that cannot be used
   */
  find(object: ObjectRef): Promise<FoundScan | undefined>;
}
