import { lockState, lockType } from "../wire/vdi.ts";

/**
 * Who has which VDI. There is one gateway, ours, so all clients are one owner; a lock stays until
 * somebody releases it, and ends with the process. Source: protocol §9.2
 */
export class Locks {
  readonly #held = new Map<number, typeof lockState.locked | typeof lockState.shared>();

  stateOf(vid: number): number {
    return this.#held.get(vid) ?? lockState.unlocked;
  }

  /** @returns false when it is locked, or the type is none */
  lock(vid: number, type: number): boolean {
    if (this.#held.has(vid)) return false;
    if (type === lockType.normal) this.#held.set(vid, lockState.locked);
    else if (type === lockType.shared) this.#held.set(vid, lockState.shared);
    else return false;
    return true;
  }

  release(vid: number, type: number): void {
    const held = this.#held.get(vid);
    const asked = type === lockType.shared ? lockState.shared : lockState.locked;
    if (held === asked) this.#held.delete(vid);
  }

  forget(vid: number): void {
    this.#held.delete(vid);
  }
}
