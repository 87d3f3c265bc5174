import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import { headerBytes, RequestHeader, writeDataObjectHeader } from "../wire/header.ts";
import type { Flight } from "./flight.ts";
import type { Link } from "./transport.ts";

const idAt = RequestHeader.offsets.id;
/** Room that payloads leave to the headers of all slots of a connection. */
const reservedBytes = 256 * headerBytes;

/**
 * What one connection has still to send: headers and small payloads in one buffer, large payloads
 * where they lie, in order. Positions count the bytes of the stream since its beginning.
 */
export class Sender {
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  #from = 0;
  #to = 0;
  /** Flights whose payload is sent from where it lies, and where it begins in the stream. */
  readonly #bodies: Flight[] = [];
  readonly #bodyStarts: number[] = [];
  #appended = 0;
  #taken = 0;

  constructor(bytes: number) {
    this.#buffer = new Uint8Array(bytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Bytes of the stream that the link has taken. */
  get taken(): number {
    return this.#taken;
  }

  get pending(): boolean {
    return this.#taken < this.#appended;
  }

  append(flight: Flight, id: number): void {
    this.#writeHeader(flight, id);
    const { body, bodyAt, bodyLength } = flight;
    if (body !== null && bodyLength > 0) {
      if (bodyLength <= limits.sendCopyBytesMax && this.#hasRoom(bodyLength + reservedBytes)) {
        this.#buffer.set(body.subarray(bodyAt, bodyAt + bodyLength), this.#to);
        this.#to += bodyLength;
      } else {
        this.#bodies.push(flight);
        this.#bodyStarts.push(this.#appended);
      }
      this.#appended += bodyLength;
    }
    flight.streamEnd = this.#appended;
  }

  /** Hands over what the link takes; false when it did not take all: wait until it is writable. */
  flush(link: Link): boolean {
    while (this.pending) {
      const flight = this.#bodies[0];
      const end = flight === undefined ? this.#appended : (this.#bodyStarts[0] ?? 0);
      const headLength = Math.max(0, end - this.#taken);
      const begun = flight === undefined ? 0 : Math.max(0, this.#taken - end);
      const bodyLength = flight === undefined ? 0 : flight.bodyLength - begun;
      const taken = link.write(
        this.#buffer,
        this.#from,
        headLength,
        flight?.body ?? null,
        flight === undefined ? 0 : flight.bodyAt + begun,
        bodyLength,
      );
      this.#taken += taken;
      this.#from += Math.min(taken, headLength);
      if (this.#from === this.#to) {
        this.#from = 0;
        this.#to = 0;
      }
      if (taken < headLength + bodyLength) return false;
      if (flight !== undefined) {
        this.#bodies.shift();
        this.#bodyStarts.shift();
      }
    }
    return true;
  }

  #writeHeader(flight: Flight, id: number): void {
    assert(this.#hasRoom(headerBytes), "a header of every slot fits");
    const at = this.#to;
    if (flight.object !== null) {
      writeDataObjectHeader(this.#view, at, id, flight.object, flight.flags);
    } else {
      assert(flight.header !== null, "a call has its header");
      this.#buffer.set(flight.header, at);
      this.#view.setUint32(at + idAt, id, true);
    }
    this.#to += headerBytes;
    this.#appended += headerBytes;
  }

  #hasRoom(bytes: number): boolean {
    if (this.#buffer.length - this.#to >= bytes) return true;
    if (this.#from === 0) return false;
    this.#buffer.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    return this.#buffer.length - this.#to >= bytes;
  }
}
