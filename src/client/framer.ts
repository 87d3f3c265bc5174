import { limits } from "../base/limits.ts";
import { tubeFull } from "../base/transfer.ts";
import { headerBytes } from "../wire/header.ts";
import type { Flight } from "./flight.ts";
import type { Link } from "./transport.ts";

/** What the replies of one connection come to. */
export interface ReplySink {
  /** Set as soon as nothing more is to be read, also in the course of a call from the framer. */
  readonly closed: boolean;
  /**
   * Finds what the 48 bytes at `at` answer and checks them, changing nothing that a second call
   * would see. Null when they cannot be: then the connection is closed.
   */
  replyBegins(view: DataView, at: number): Flight | null;
  /** The whole payload lies at `bytes[at, at + flight.dataLength)`, during the call only. */
  replyWhole(flight: Flight, bytes: Uint8Array, at: number): void;
  /** A long payload should find its header alone in the buffer: nothing more is read with one. */
  readonly headersAlone: boolean;
  /**
   * A payload too long for the buffer begins: sets `flight.into`, or leaves it null to drop it; sets
   * `flight.tube` too, unless some of the payload is in the buffer (`begun`).
   */
  replyPlaced(flight: Flight, begun: boolean): void;
  /** All of it is in place. */
  replyEnds(flight: Flight): void;
}

/** Bytes of one event that are read before other work has its turn. */
const burstBytes = 1024 * 1024;
/** Read at once into the buffer: more of a long payload than this is read straight into place. */
const chunkBytes = 128 * 1024;

/** Makes replies of a byte stream, however it was cut. */
export class Framer {
  readonly #sink: ReplySink;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  readonly #wholeBytesMax: number;
  #from = 0;
  #to = 0;
  /** The reply whose payload is being placed, and how much of it is. */
  #placing: Flight | null = null;
  #placed = 0;

  constructor(sink: ReplySink, bytes: number) {
    this.#sink = sink;
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, bytes);
    this.#wholeBytesMax = Math.min(limits.lendBytesMax, bytes - headerBytes);
  }

  /** Reads what has arrived. @returns false at the end of the stream */
  pump(link: Link): boolean {
    let budget = burstBytes;
    while (budget > 0 && !this.#sink.closed) {
      const placing = this.#placing;
      const asked = placing === null ? this.#room() : this.#rest(placing);
      const count =
        placing === null
          ? link.read(this.#buffer, this.#to, asked)
          : this.#place(link, placing, asked);
      if (count <= 0) return count === 0;
      budget -= count;
      if (placing === null) {
        this.#to += count;
        this.#parse();
      } else {
        this.#advance(placing, count);
      }
      if (count < asked) break;
    }
    return true;
  }

  /** How much may be read into the buffer; moves what is left in it when too little would be. */
  #room(): number {
    if (this.#from === this.#to) {
      this.#from = 0;
      this.#to = 0;
    } else if (this.#from > 0 && this.#buffer.length - this.#to < this.#wholeBytesMax) {
      this.#buffer.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    const held = this.#to - this.#from;
    if (held < headerBytes && this.#sink.headersAlone) return headerBytes - held;
    return Math.min(this.#buffer.length - this.#to, chunkBytes);
  }

  #place(link: Link, placing: Flight, asked: number): number {
    const { tube } = placing;
    if (tube !== null) {
      const count = link.pour?.(tube, asked) ?? tubeFull;
      if (count !== tubeFull) return count;
      placing.leaveTube();
    }
    const at = placing.into === null ? 0 : this.#placeAt(placing);
    return link.read(placing.into ?? this.#buffer, at, asked);
  }

  /** How much may be read of the payload under way; what is dropped goes through the empty buffer. */
  #rest(placing: Flight): number {
    const rest = placing.dataLength - this.#placed;
    return placing.into === null && placing.tube === null
      ? Math.min(rest, this.#buffer.length)
      : rest;
  }

  #placeAt(placing: Flight): number {
    return placing.intoAt + this.#placed;
  }

  #parse(): void {
    while (this.#to - this.#from >= headerBytes && !this.#sink.closed) {
      const flight = this.#sink.replyBegins(this.#view, this.#from);
      if (flight === null) return;
      const { dataLength } = flight;
      const at = this.#from + headerBytes;
      if (dataLength > this.#wholeBytesMax) {
        this.#from = at;
        this.#beginPlacing(flight);
        continue;
      }
      if (this.#to - at < dataLength) return;
      // Before the call: what it does may close the connection or end in an error.
      this.#from = at + dataLength;
      this.#sink.replyWhole(flight, this.#buffer, at);
    }
  }

  #beginPlacing(flight: Flight): void {
    const here = Math.min(this.#to - this.#from, flight.dataLength);
    this.#sink.replyPlaced(flight, here > 0);
    this.#placing = flight;
    this.#placed = 0;
    if (flight.into !== null) {
      this.#buffer.copy(flight.into, flight.intoAt, this.#from, this.#from + here);
    }
    this.#from += here;
    if (this.#from === this.#to) {
      this.#from = 0;
      this.#to = 0;
    }
    if (here > 0) this.#advance(flight, here);
  }

  #advance(flight: Flight, count: number): void {
    this.#placed += count;
    if (this.#placed < flight.dataLength) return;
    this.#placing = null;
    this.#sink.replyEnds(flight);
  }
}
