/** A right in the terms of Kubernetes' authorization. */
export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
  /** What it is for. */
  readonly use: string;
  /** Whether the service works without it. */
  readonly optional: boolean;
}

const SCANS = { group: "execution.securecodebox.io", resource: "scans" };

/** Every right that the service and `doctor --kubernetes` use, one row each. The chart grants these and no others. */
export const RIGHTS: readonly Right[] = [
  { ...SCANS, verb: "list", use: "to know the Scans that there are", optional: false },
  { ...SCANS, verb: "watch", use: "to learn of Scans whose findings have landed", optional: false },
  { ...SCANS, verb: "get", use: "to look at one Scan (doctor)", optional: true },
  { ...SCANS, verb: "patch", use: "to annotate Scans with their outcome", optional: true },
  { ...SCANS, subresource: "status", verb: "patch", use: "to write status.findings", optional: true },
  { group: "", resource: "events", verb: "create", use: "to announce outcomes as Events", optional: true },
];

/** `patch scans/status`, for people. */
export const rightName = ({ verb, resource, subresource }: Right): string =>
  `${verb} ${[resource, subresource].filter((part) => part !== undefined).join("/")}`;
