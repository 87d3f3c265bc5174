import type { Address } from "../base/address.ts";
import { limits } from "../base/limits.ts";
import { headerBytes, ReplyHeader, RequestHeader } from "../wire/header.ts";
import { requestFlag } from "../wire/opcode.ts";
import type { Reply, Request } from "./request.ts";

/** What a connection needs of its socket. */
export interface ClientSocket {
  /** @returns how many bytes were taken; fewer than there are until `drained` is called */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** Ends it at once, with what was not sent yet. */
  terminate(): void;
}

export interface ConnectionPorts {
  readonly answer: (request: Request) => Reply | Promise<Reply>;
  /** The epoch that every answer carries. */
  readonly epoch: () => number;
  readonly local: Address;
}

const at = RequestHeader.offsets;
const answerAt = ReplyHeader.offsets;
const batchBytes = 256 * 1024;
const noData = new Uint8Array(0);

/**
 * One client: cuts its bytes into requests, has them answered, many at a time, and sends the
 * answers as they come. Reads no further while the client has too much under way or does not read.
 */
export class Connection {
  readonly #socket: ClientSocket;
  readonly #ports: ConnectionPorts;
  /** What has come in and has not been looked at yet. */
  readonly #inbox: Uint8Array[] = [];
  /** Bytes of a request that is not whole yet. */
  #partial: Uint8Array = noData;
  #partialBytes = 0;
  /** Small answers that go out together. */
  readonly #batch = new Uint8Array(new ArrayBuffer(batchBytes));
  #batched = 0;
  /** What the socket has not taken yet, in order. */
  readonly #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #underWay = 0;
  #underWayBytes = 0;
  #paused = false;
  #pumping = false;
  #state: "open" | "closed" = "open";

  constructor(socket: ClientSocket, ports: ConnectionPorts) {
    this.#socket = socket;
    this.#ports = ports;
  }

  /** @param chunk ours from now on */
  received(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#inbox.push(chunk);
    this.#pump();
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.#send();
    this.#pump();
  }

  closed(): void {
    this.#state = "closed";
    this.#inbox.length = 0;
    this.#partial = noData;
    this.#partialBytes = 0;
    this.#unsent.length = 0;
    this.#unsentBytes = 0;
  }

  /** Takes requests from what has come in, as long as there is room for their answers. */
  #pump(): void {
    while (this.#state === "open" && !this.#isBusy) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) break;
      const rest = this.#partialBytes > 0 ? this.#complete(chunk) : this.#take(chunk);
      if (rest.length > 0) this.#inbox.unshift(rest);
    }
    this.#flush();
    this.#throttle();
  }

  /** Takes whole requests from the start of the bytes. @returns what it has not looked at */
  #take(bytes: Uint8Array): Uint8Array {
    let next = 0;
    while (next < bytes.length && this.#state === "open" && !this.#isBusy) {
      const length = wholeBytes(bytes, next);
      if (length === null || next + length > bytes.length) {
        this.#keep(bytes.subarray(next), length);
        return noData;
      }
      this.#begin(bytes.subarray(next, next + length));
      next += length;
    }
    return bytes.subarray(next);
  }

  /** Adds to the request that is not whole yet. @returns what belongs to the next */
  #complete(bytes: Uint8Array): Uint8Array {
    const have = this.#partialBytes;
    const wanted = have < headerBytes ? headerBytes : (wholeBytes(this.#partial, 0) ?? headerBytes);
    const taken = Math.min(wanted - have, bytes.length);
    this.#makeRoom(have + taken, wanted);
    this.#partial.set(bytes.subarray(0, taken), have);
    this.#partialBytes += taken;
    if (this.#partialBytes >= headerBytes) {
      const length = wholeBytes(this.#partial, 0) ?? headerBytes;
      if (isTooLong(length)) this.#abort();
      else if (length === this.#partialBytes) {
        const request = this.#partial.subarray(0, length);
        this.#partial = noData;
        this.#partialBytes = 0;
        this.#begin(request);
      }
    }
    return bytes.subarray(taken);
  }

  #keep(bytes: Uint8Array, length: number | null): void {
    if (length !== null && isTooLong(length)) {
      this.#abort();
      return;
    }
    this.#makeRoom(bytes.length, length ?? headerBytes);
    this.#partial.set(bytes);
    this.#partialBytes = bytes.length;
  }

  /** Grows with what has come in, not with what was announced: that may never come. */
  #makeRoom(bytes: number, wanted: number): void {
    if (bytes <= this.#partial.length) return;
    const room = Math.min(wanted, Math.max(bytes, 2 * this.#partial.length, batchBytes));
    const grown = new Uint8Array(Math.max(room, bytes));
    grown.set(this.#partial.subarray(0, this.#partialBytes));
    this.#partial = grown;
  }

  #begin(bytes: Uint8Array): void {
    const header = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
    const data = bytes.length === headerBytes ? noData : bytes.subarray(headerBytes);
    const request = {
      header,
      flags: header.getUint16(at.flags, true),
      dataLength: header.getUint32(at.dataLength, true),
      data,
      local: this.#ports.local,
    };
    if (data.length === 0 && isTooLong(headerBytes + request.dataLength)) {
      this.#abort();
      return;
    }
    const reply = this.#ports.answer(request);
    if (reply instanceof Promise) this.#later(reply, request);
    else this.#reply(header, reply);
  }

  #later(pending: Promise<Reply>, { header, data }: Request): void {
    this.#underWay += 1;
    this.#underWayBytes += data.length;
    pending
      .then((reply) => {
        this.#underWay -= 1;
        this.#underWayBytes -= data.length;
        if (this.#state !== "open") return;
        this.#reply(header, reply);
        this.#pumpSoon();
      })
      // The answer is made where nothing throws; this is for a bug of ours.
      .catch(() => this.#abort());
  }

  #reply(request: DataView, { result, data, header }: Reply): void {
    if (this.#state !== "open") return;
    const dataBytes = data?.length ?? 0;
    const together = headerBytes + dataBytes <= batchBytes / 4;
    if (this.#batched + headerBytes + (together ? dataBytes : 0) > batchBytes) this.#flush();
    const place = this.#batched;
    this.#writeHeader(place, request, result, dataBytes, header);
    this.#batched += headerBytes;
    if (data === null || dataBytes === 0) return;
    if (together) {
      this.#batch.set(data, this.#batched);
      this.#batched += dataBytes;
      return;
    }
    this.#flush();
    this.#queue(data);
    this.#send();
  }

  #writeHeader(
    place: number,
    request: DataView,
    result: number,
    dataBytes: number,
    header: Uint8Array | null,
  ): void {
    if (header === null) this.#batch.fill(0, place, place + headerBytes);
    else this.#batch.set(header, place);
    const view = new DataView(this.#batch.buffer, place, headerBytes);
    view.setUint8(answerAt.version, 0);
    view.setUint8(answerAt.opcode, request.getUint8(at.opcode));
    view.setUint16(answerAt.flags, 0, true);
    view.setUint32(answerAt.epoch, this.#ports.epoch(), true);
    view.setUint32(answerAt.id, request.getUint32(at.id, true), true);
    view.setUint32(answerAt.dataLength, dataBytes, true);
    view.setUint32(answerAt.result, result, true);
  }

  /** Answers that become ready in the same turn go out together. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #flush(): void {
    if (this.#batched === 0 || this.#state !== "open") return;
    const bytes = this.#batch.subarray(0, this.#batched);
    this.#batched = 0;
    const sent = this.#unsent.length === 0 ? Math.max(0, this.#socket.write(bytes)) : 0;
    // What is left is copied: the next answers go into the same memory.
    if (sent < bytes.length) this.#queue(bytes.slice(sent));
  }

  #queue(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
  }

  #send(): void {
    while (this.#unsent.length > 0 && this.#state === "open") {
      const [first = noData] = this.#unsent;
      const sent = Math.max(0, this.#socket.write(first));
      this.#unsentBytes -= sent;
      if (sent < first.length) {
        this.#unsent[0] = first.subarray(sent);
        return;
      }
      this.#unsent.shift();
    }
  }

  get #isBusy(): boolean {
    return (
      this.#unsentBytes + this.#underWayBytes > limits.sheepClientBytesMax ||
      this.#underWay >= limits.sheepClientRequestsMax
    );
  }

  #throttle(): void {
    if (this.#state !== "open") return;
    const mustWait = this.#isBusy;
    if (mustWait === this.#paused) return;
    this.#paused = mustWait;
    if (mustWait) this.#socket.pause();
    else this.#socket.resume();
  }

  #abort(): void {
    if (this.#state !== "open") return;
    this.closed();
    this.#socket.terminate();
  }
}

/** Bytes of the request that begins at `next`; null when its header is not whole. */
function wholeBytes(bytes: Uint8Array, next: number): number | null {
  if (bytes.length - next < headerBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + next, headerBytes);
  const sends = (view.getUint16(at.flags, true) & requestFlag.write) !== 0;
  return headerBytes + (sends ? view.getUint32(at.dataLength, true) : 0);
}

/** More than any object request needs: what sends it does not speak the protocol. */
function isTooLong(bytes: number): boolean {
  return bytes > limits.sheepRequestBytesMax + headerBytes;
}
