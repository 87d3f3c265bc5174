/**
 * Maps with at most `inflightMax` calls under way; the results are in the order of the items.
 * After a failure nothing new is begun, and what was begun is waited for before it is thrown.
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  inflightMax: number,
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) {
      if (failures.length > 0) return;
      try {
        results[index] = await map(item);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inflightMax, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
