import type { Address } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import { Connection, type ConnectionOwner, type ConnectionPorts } from "./connection.ts";
import type { Flight } from "./flight.ts";

const sizes = {
  receiveBytes: limits.dedicatedBufferBytes,
  sendBytes: limits.dedicatedBufferBytes,
};

/** How a connection that belongs to one task has ended. */
export interface DedicatedEnd {
  readonly why: SheepfsError;
  readonly refused: boolean;
}

/** A connection to one certain sheep for one task at a time: a probe, or one call. */
export class Dedicated implements ConnectionOwner, Disposable {
  readonly connection: Connection;
  readonly #ready = Promise.withResolvers<DedicatedEnd | null>();
  #answer: { resolve(end: DedicatedEnd | null): void } | null = null;
  #end: DedicatedEnd | null = null;

  constructor(ports: ConnectionPorts, address: Address) {
    this.connection = new Connection(ports, address, this, sizes);
  }

  /** Waits until the sheep answers; null when it does. Bounded by the time a connection may take. */
  ready(scope: Scope): Promise<DedicatedEnd | null> {
    return this.#until(this.#ready.promise, scope);
  }

  /** Sends a flight and waits for its answer; null when it came. */
  async answer(flight: Flight, scope: Scope): Promise<DedicatedEnd | null> {
    if (this.#end !== null) return this.#end;
    const answered = Promise.withResolvers<DedicatedEnd | null>();
    this.#answer = answered;
    this.connection.send(flight);
    return await this.#until(answered.promise, scope);
  }

  [Symbol.dispose](): void {
    this.connection.destroy();
  }

  connectionReady(): void {
    this.#ready.resolve(null);
  }

  answered(): void {
    this.#answer?.resolve(null);
  }

  connectionClosed(_connection: Connection, why: SheepfsError, refused: boolean): void {
    this.#end = { why, refused };
    this.#ready.resolve(this.#end);
    this.#answer?.resolve(this.#end);
  }

  async #until(event: Promise<DedicatedEnd | null>, scope: Scope): Promise<DedicatedEnd | null> {
    const unsubscribe = scope.onCancel(() =>
      this.connection.fail(new SheepfsError("cancelled", "interrupted")),
    );
    try {
      return await event;
    } finally {
      unsubscribe();
    }
  }
}
