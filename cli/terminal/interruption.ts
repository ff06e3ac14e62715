const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs a command's work with a signal that the first SIGINT or SIGTERM aborts, so it stops at a safe point; the exit code is then 130.
 * A second one ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const stop = () => {
    if (interrupted.signal.aborted) process.exit(130);
    process.exitCode = 130;
    interrupted.abort();
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await work(interrupted.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
