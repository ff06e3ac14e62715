import { RelayError } from "../../lib/errors.ts";
import { uri } from "../../lib/model/object-keys.ts";
import type { ScanSource } from "../../lib/ports/scan-source.ts";
import { within } from "../../lib/util/within.ts";
import type { ScanIndex } from "./scan-index.ts";
import type { ScanWatch } from "./watch-scans.ts";

/** How long a look-up waits for the first list after a start. */
const FIRST_LIST_MS = 10_000;

/** Scans from the index. That a Scan does not exist is known only while the watches are up to date. */
export function indexedScans(index: ScanIndex, watches: readonly ScanWatch[], first: boolean): ScanSource {
  return {
    first,
    find: async (object) => {
      await within(FIRST_LIST_MS, Promise.all(watches.map((watch) => watch.first)), () => undefined);
      const scan = index.find(object);
      if (scan?.problem !== undefined) throw scan.problem;
      if (scan !== undefined) return { uid: scan.uid, content: scan.content };
      for (const watch of watches) {
        const state = watch.state();
        if (state.current) continue;
        // Whatever the watch failed with says nothing about this Scan: an API server that starts refuses everybody for a while.
        throw new RelayError(
          "cluster-unavailable",
          `the Scan of ${uri(object)} is unknown: ${state.error?.message ?? "the cluster has not responded yet"}`,
          { object: uri(object), cause: state.error },
        );
      }
      return undefined;
    },
  };
}
