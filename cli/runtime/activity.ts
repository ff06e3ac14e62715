import type { SeenScan } from "./seen-scan.ts";

/** What watchers are told. */
export type Told =
  | { readonly event: "scan"; readonly scan: SeenScan }
  /** Removes it from the page: its dead letter was dropped. */
  | { readonly event: "gone"; readonly id: string };

export interface Activity {
  see(scan: SeenScan): void;
  /** Adds a scan unless it is known. */
  remember(scan: SeenScan): void;
  forget(id: string): void;
  /** The latest scans, newest first. */
  scans(): SeenScan[];
  /** Calls with each change until the returned function is called. */
  watch(listener: (told: Told) => void): () => void;
}

/** More than one page shows; older ones are in the history. */
const MOST = 500;

/** The scans since the start of the service, in memory. */
export function activity(): Activity {
  const seen = new Map<string, SeenScan>();
  const listeners = new Set<(told: Told) => void>();
  const tell = (told: Told) => {
    for (const listener of listeners) listener(told);
  };
  const see = (scan: SeenScan) => {
    seen.delete(scan.id);
    seen.set(scan.id, scan);
    const [oldest] = seen.keys();
    if (seen.size > MOST && oldest !== undefined) seen.delete(oldest);
    tell({ event: "scan", scan });
  };
  return {
    see,
    remember: (scan) => {
      if (!seen.has(scan.id)) see(scan);
    },
    forget: (id) => {
      if (seen.delete(id)) tell({ event: "gone", id });
    },
    scans: () => [...seen.values()].toReversed(),
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
