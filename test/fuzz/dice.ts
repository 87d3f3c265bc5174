import { type Random, seededRandom } from "../../src/base/random.ts";

/** Chance with what a fuzzer wants of it. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.#random.below(times) === 0;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.#random.below(list.length)] ?? list[0];
  }

  /** A number near what may hurt, or any one up to `bound`. */
  edgy(bound: number): number {
    return this.pick([
      ...([0, 1, bound - 1, bound, bound + 1, 511, 512, 4_096, 2 ** 31, 2 ** 32, 2 ** 53] as const),
      this.below(bound + 1),
      this.below(bound + 1),
      this.below(bound + 1),
      this.below(bound + 1),
    ]);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.#random.below(256);
    return bytes;
  }

  /** Text of visible characters and of some that are not. */
  text(length: number): string {
    const odd = "\t\u0000\u007f%/\\\"'<>&;:,=?#@äß磁 ";
    let text = "";
    for (let at = 0; at < length; at += 1) {
      text += this.oneIn(6)
        ? (odd[this.below(odd.length)] ?? "")
        : String.fromCharCode(33 + this.below(94));
    }
    return text;
  }
}
