import type { Address } from "../base/address.ts";
import type { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { Connection, type ConnectionOwner, type ConnectionPorts } from "./connection.ts";
import type { ClusterIdentity } from "./sign.ts";

/** What became of asking a sheep for a sign of life. */
export type ProbeOutcome =
  | {
      readonly is: "alive";
      readonly identity: ClusterIdentity;
      /** Of its cluster, as far as it knows. */
      readonly epoch: number;
    }
  | {
      readonly is: "dead";
      readonly why: SheepfsError;
      /** It was refused, or answered something else: whoever was there has ended, or runs. */
      readonly decided: boolean;
      readonly refused: boolean;
    };

const sizes = {
  receiveBytes: limits.dedicatedBufferBytes,
  sendBytes: limits.dedicatedBufferBytes,
};

/**
 * Asks one sheep for a sign of life, on a connection of its own: on one that carries requests the
 * answer may be behind megabytes of others. It ends within connectTimeoutMs.
 */
export class Probe implements ConnectionOwner {
  readonly #connection: Connection;
  readonly #ended: (outcome: ProbeOutcome) => void;

  constructor(ports: ConnectionPorts, address: Address, ended: (outcome: ProbeOutcome) => void) {
    this.#ended = ended;
    this.#connection = new Connection(ports, address, this, sizes);
  }

  /** Nobody wants to know any more. */
  destroy(): void {
    this.#connection.destroy();
  }

  connectionReady(connection: Connection): void {
    connection.destroy();
    const { identity, epoch } = connection;
    this.#ended({ is: "alive", identity, epoch });
  }

  answered(): void {}

  connectionClosed(_connection: Connection, why: SheepfsError, refused: boolean): void {
    this.#ended({ is: "dead", why, decided: refused || why.code !== "unavailable", refused });
  }
}
