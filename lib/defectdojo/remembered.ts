/** How long facts about DefectDojo are cached: it may be upgraded, switched or cleaned up under a running service. */
const MAX_AGE_MS = 10 * 60_000;

export interface Remembered {
  /** The cached value of `name`, else what `find` returns now; failures are not cached. */
  readonly remember: <T>(name: string, find: () => Promise<T>) => Promise<T>;
  /** Forgets one name, or all. */
  readonly forget: (name?: string) => void;
}

/** Answers that are cached for a while. @param now milliseconds of a monotonic clock */
export function remembered(now: () => number = () => performance.now()): Remembered {
  const known = new Map<string, { readonly at: number; readonly value: Promise<unknown> }>();
  return {
    remember: async <T>(name: string, find: () => Promise<T>) => {
      const entry = known.get(name);
      const fresh = entry !== undefined && now() - entry.at < MAX_AGE_MS ? entry : { at: now(), value: find() };
      known.set(name, fresh);
      try {
        return (await fresh.value) as T;
      } catch (error) {
        if (known.get(name) === fresh) known.delete(name);
        throw error;
      }
    },
    forget: (name) => void (name === undefined ? known.clear() : known.delete(name)),
  };
}
