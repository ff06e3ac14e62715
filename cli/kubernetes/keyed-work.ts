/** Work by name, a few pieces in parallel, retried if it fails. */
export interface KeyedWork {
  /** Does the work of this name, unless it is already waiting; again if it is running. */
  add(name: string, delayMs?: number): void;
  /** Starts nothing more, and waits for running work. */
  stop(): Promise<void>;
}

export interface KeyedWorkOptions {
  readonly limit: number;
  /** Throws if the work has to be repeated. */
  readonly work: (name: string) => Promise<void>;
  /** Milliseconds before the next attempt, or undefined to give up. */
  readonly again: (name: string, failures: number, error: unknown) => number | undefined;
}

export function keyedWork({ limit, work, again }: KeyedWorkOptions): KeyedWork {
  /** In order of arrival. */
  const ready = new Set<string>();
  const timers = new Map<string, NodeJS.Timeout>();
  const failures = new Map<string, number>();
  const underway = new Map<string, Promise<void>>();
  let stopped = false;

  const run = async (name: string) => {
    try {
      await work(name);
      failures.delete(name);
    } catch (error) {
      const count = (failures.get(name) ?? 0) + 1;
      const pause = again(name, count, error);
      if (pause === undefined) failures.delete(name);
      else {
        failures.set(name, count);
        add(name, pause);
      }
    } finally {
      underway.delete(name);
      next();
    }
  };
  const next = () => {
    for (const name of ready) {
      if (stopped || underway.size >= limit) return;
      if (underway.has(name)) continue;
      ready.delete(name);
      underway.set(name, run(name));
    }
  };
  const add = (name: string, delayMs = 0) => {
    if (stopped) return;
    if (delayMs > 0) {
      if (timers.has(name) || ready.has(name)) return;
      const timer = setTimeout(() => {
        timers.delete(name);
        add(name);
      }, delayMs);
      timers.set(name, timer);
      return;
    }
    clearTimeout(timers.get(name));
    timers.delete(name);
    ready.add(name);
    next();
  };
  return {
    add,
    stop: async () => {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      ready.clear();
      await Promise.allSettled(underway.values());
    },
  };
}
