/** Notes about Scans by uid, kept for as long as the Scans exist. */
export interface ScanNotes<T> {
  readonly size: number;
  get(uid: string): T | undefined;
  set(uid: string, note: T): void;
  delete(uid: string): void;
}

/** So few notes may stay about Scans that are gone. */
const LEAST = 1_000;

/** @param exists whether the cluster still has the Scan; asked whenever the notes have doubled, so that a service of many months does not grow */
export function scanNotes<T>(exists: (uid: string) => boolean): ScanNotes<T> {
  const notes = new Map<string, T>();
  let limit = LEAST;
  return {
    get size() {
      return notes.size;
    },
    get: (uid) => notes.get(uid),
    set: (uid, note) => {
      notes.set(uid, note);
      if (notes.size <= limit) return;
      for (const one of notes.keys()) if (!exists(one)) notes.delete(one);
      limit = Math.max(LEAST, 2 * notes.size);
    },
    delete: (uid) => void notes.delete(uid),
  };
}
