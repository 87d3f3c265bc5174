import { limits } from "../base/limits.ts";

/**
 * How long those wait for the cluster who can do with an older answer: a moment, and hardly at all
 * once that was in vain, until something is answered again. So a listing of the whole tree costs
 * that moment once in an outage, and not for each file.
 */
export class Patience {
  #inVain = false;

  /** How long to wait now. */
  get ms(): number {
    return this.#inVain ? limits.attrImpatienceMs : limits.attrPatienceMs;
  }

  ranOut(): void {
    this.#inVain = true;
  }

  answered(): void {
    this.#inVain = false;
  }
}
