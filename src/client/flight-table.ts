import { assert } from "../base/assert.ts";
import type { Flight } from "./flight.ts";

const slotBits = 8;
const slots = 1 << slotBits;
const slotMask = slots - 1;

/**
 * The requests of one connection by id. An id is a slot and how often the slot was used before, so
 * that an answer that comes twice finds nobody: a slot is used again only after its answer.
 */
export class FlightTable {
  readonly #flights: Array<Flight | null> = new Array(slots).fill(null);
  readonly #ids = new Uint32Array(slots);
  readonly #free = new Uint8Array(slots);
  #freeCount = slots;

  constructor() {
    for (let slot = 0; slot < slots; slot += 1) {
      this.#ids[slot] = slot;
      this.#free[slots - 1 - slot] = slot;
    }
  }

  get count(): number {
    return slots - this.#freeCount;
  }

  add(flight: Flight): number {
    assert(this.#freeCount > 0, "a connection has a slot for each of its requests");
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] ?? 0;
    this.#flights[slot] = flight;
    return this.#ids[slot] ?? 0;
  }

  get(id: number): Flight | null {
    const slot = id & slotMask;
    return this.#ids[slot] === id ? (this.#flights[slot] ?? null) : null;
  }

  remove(id: number): void {
    const slot = id & slotMask;
    assert(this.#flights[slot] !== null, "a slot is freed once");
    this.#flights[slot] = null;
    this.#ids[slot] = id + slots;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  /** `visit` may add flights, and remove the one it is given. */
  forEach(visit: (flight: Flight) => void): void {
    if (this.#freeCount === slots) return;
    for (let slot = 0; slot < slots; slot += 1) {
      const flight = this.#flights[slot];
      if (flight !== null && flight !== undefined) visit(flight);
    }
  }
}
