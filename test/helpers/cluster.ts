import type { Cluster, ScanEvent, ScanPage } from "../../cli/kubernetes/cluster.ts";
import { rightName } from "../../cli/kubernetes/rights.ts";

export const UID = "0b1e2f9c-5d2a-4c83-9a39-6f0c3f1de001";

export interface ResourceParts {
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
}

/** A Scan in the operator's format after its findings have landed at `securecodebox/scan-UID/findings.json`. */
export function aScanResource({ metadata, spec, status }: ResourceParts = {}) {
  const link = (name: string) => `http://minio.example.com:9000/securecodebox/scan-${UID}/${name}?X-Amz-Signature=abc`;
  return {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: {
      name: "nmap-1",
      namespace: "scans",
      uid: UID,
      creationTimestamp: "2026-11-20T10:00:00Z",
      resourceVersion: "7",
      ...metadata,
    },
    spec: { scanType: "nmap", ...spec },
    status: {
      state: "Done",
      rawResultType: "nmap-xml",
      rawResultFile: "nmap-results.xml",
      findingDownloadLink: link("findings.json"),
      rawResultDownloadLink: link("nmap-results.xml"),
      ...status,
    },
  };
}

/** Ends a watch, normally or with an error. */
type EndWatch = (error?: Error) => void;

export interface FakeCluster extends Cluster {
  readonly calls: string[];
  /** The responses to list requests, in order; the last one repeats. */
  readonly pages: (ScanPage | Error)[];
  /** The currently open watch. */
  watching(): { readonly emit: (event: ScanEvent) => void; readonly end: EndWatch } | undefined;
  /** Throws to fail a call. */
  before: (call: string) => void;
}

/** A fake Kubernetes API; the test decides what a watch reports. */
export function fakeCluster(pages: (ScanPage | Error)[] = []): FakeCluster {
  const calls: string[] = [];
  let open: ReturnType<FakeCluster["watching"]>;
  const did = async (call: string) => {
    calls.push(call);
    self.before(call);
  };
  const self: FakeCluster = {
    server: "https://kubernetes.example.com",
    calls,
    pages,
    before: () => undefined,
    watching: () => open,
    listScans: async (namespace, next) => {
      await did(`list ${namespace ?? "all"}${next === undefined ? "" : ` ${next}`}`);
      const page = pages.length > 1 ? pages.shift() : pages[0];
      if (page instanceof Error) throw page;
      return page ?? { items: [], resourceVersion: "1", next: undefined };
    },
    watchScans: async (namespace, from, onEvent, signal) => {
      await did(`watch ${namespace ?? "all"} ${from}`);
      await new Promise<void>((resolve, reject) => {
        const end: EndWatch = (error) => {
          open = undefined;
          if (error === undefined) resolve();
          else reject(error);
        };
        open = { emit: onEvent, end };
        signal.addEventListener("abort", () => end(), { once: true });
      });
    },
    getScan: async ({ namespace, name }) => {
      await did(`get ${namespace}/${name}`);
      const [page] = pages;
      return page instanceof Error ? undefined : page?.items[0];
    },
    may: async (right, namespace) => {
      await did(`may ${namespace ?? "all"} ${rightName(right)}`);
      return true;
    },
    patchFindings: async ({ namespace, name }, { count }) => await did(`findings ${namespace}/${name} ${count}`),
    annotate: async ({ namespace, name }, annotations) =>
      await did(`annotate ${namespace}/${name} ${JSON.stringify(annotations)}`),
    createEvent: async ({ namespace, name }, _, { reason }) => await did(`event ${namespace}/${name} ${reason}`),
  };
  return self;
}
