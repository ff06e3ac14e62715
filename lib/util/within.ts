/**
 * Waits for the work, but no longer than so many milliseconds. The work itself goes on; its outcome is then ignored.
 * @param otherwise what to return then, or throw
 */
export async function within<T, L>(ms: number, work: Promise<T>, otherwise: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), ms);
  });
  try {
    const first = await Promise.race([work.then((value) => ({ value })), late]);
    return first === "late" ? otherwise() : first.value;
  } finally {
    clearTimeout(timer);
  }
}
