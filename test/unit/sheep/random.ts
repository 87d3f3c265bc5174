/** A small generator: the same numbers for the same seed. */
export class Dice {
  readonly seed: number;
  #state: number;

  /** `SEED=` repeats a run. */
  constructor() {
    this.seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    this.#state = this.seed;
    console.log("seed", this.seed);
  }

  /** From 0 to `end`, without it. */
  below(end: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    // The low bits of such a generator repeat soon.
    return Math.floor((this.#state / 2 ** 32) * end);
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }
}
