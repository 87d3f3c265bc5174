import type { Random } from "../base/random.ts";

/** Numbers are taken from the system in such a batch. */
const batch = new Uint32Array(256);
let used = batch.length;

function u32(): number {
  if (used === batch.length) {
    crypto.getRandomValues(batch);
    used = 0;
  }
  const value = batch[used] ?? 0;
  used += 1;
  return value;
}

export const realRandom: Random = {
  u32,
  below: (bound) => Math.floor((u32() / 0x1_0000_0000) * bound),
};
