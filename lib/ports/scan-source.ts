import type { ObjectRef } from "../model/object-keys.ts";

/** A Scan as the cluster has it. */
export interface FoundScan {
  readonly uid: string;
  /** In the sidecar's shape, with only what the sidecar's schema reads. */
  readonly content: unknown;
}

/** The source of Scans that do not lie beside their findings: the Kubernetes API. */
export interface ScanSource {
  /** Whether the cluster's Scan takes precedence over a sidecar that somebody put beside the findings. */
  readonly first: boolean;
  /**
   * The Scan whose results these objects are, or undefined if the cluster has none.
   * @throws RelayError `cluster-…` if that is unknown, `sidecar-invalid` for an unusable Scan
   */
  find(object: ObjectRef): Promise<FoundScan | undefined>;
}
