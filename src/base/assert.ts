/** Programmer errors only: what the world can get wrong is a SheepfsError. Left on in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
