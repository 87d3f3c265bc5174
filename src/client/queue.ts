import type { Flight } from "./flight.ts";

/** Flights in order of their coming, chained through their `next`. */
export class FlightQueue {
  #first: Flight | null = null;
  #last: Flight | null = null;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get first(): Flight | null {
    return this.#first;
  }

  push(flight: Flight): void {
    flight.next = null;
    if (this.#last === null) this.#first = flight;
    else this.#last.next = flight;
    this.#last = flight;
    this.#count += 1;
  }

  shift(): void {
    const flight = this.#first;
    if (flight === null) return;
    this.#first = flight.next;
    if (this.#first === null) this.#last = null;
    flight.next = null;
    this.#count -= 1;
  }

  /** Takes out those for which `gone` says so; they are told after the queue is whole again. */
  remove(gone: (flight: Flight) => boolean): Flight[] {
    const removed: Flight[] = [];
    let flight = this.#first;
    this.#first = null;
    this.#last = null;
    this.#count = 0;
    while (flight !== null) {
      const next: Flight | null = flight.next;
      if (gone(flight)) {
        flight.next = null;
        removed.push(flight);
      } else {
        this.push(flight);
      }
      flight = next;
    }
    return removed;
  }
}
