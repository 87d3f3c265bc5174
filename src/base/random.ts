/** Chance as a port; the real one is in `sys/`. */
export interface Random {
  u32(): number;
  /** Uniform in 0 … bound-1. */
  below(bound: number): number;
}

/** A small deterministic generator (mulberry32) for tests and simulations; prints nothing. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const u32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return { u32, below: (bound) => Math.floor((u32() / 0x1_0000_0000) * bound) };
}
