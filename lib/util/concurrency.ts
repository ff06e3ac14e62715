/**
 * Each item's result in the order of the items, with up to `limit` of them in parallel. An error of `work` ends the iteration at that item's turn;
 * an item is requested only when its work can start.
 */
export async function* mapInOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underway: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => undefined); // it may never be awaited
    underway.push(result);
    const first = underway.length < limit ? undefined : underway.shift();
    if (first !== undefined) yield await first;
  }
  for (const result of underway) yield await result;
}
