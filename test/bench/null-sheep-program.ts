// A sheep that costs next to nothing: reads and writes of data are answered at once, each by itself
// as a sheep does it, and go nowhere; the rest is asked of a real one.
// `null-sheep-program.ts HOST PORT`; prints its own port.
import { headerBytes, ObjectRequestHeader, ReplyHeader } from "../../src/wire/header.ts";
import { opcodes } from "../../src/wire/opcode.ts";
import {
  acceptFrom,
  closeSocket,
  connectTo,
  listenSomewhere,
  Memory,
  readAll,
  readSome,
  WaitSet,
  writeAll,
} from "./blocking-socket.ts";

const MiB = 1 << 20;
const writeFlag = 1;
const { offsets } = ObjectRequestHeader;

const [host = "", port = ""] = process.argv.slice(2);
const backend = connectTo(host, Number(port));
const relayed = new Memory(16 * MiB);

class Client {
  readonly #fd: number;
  readonly #in = new Memory(4 * MiB);
  readonly #out = new Memory(2 * MiB);
  #from = 0;
  #to = 0;
  /** Bytes of a write that are still to come and to be forgotten. */
  #skip = 0;
  #alive = true;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** @returns false when the client is gone */
  serve(): boolean {
    const count = readSome(this.#fd, this.#in, this.#to, this.#in.bytes.length - this.#to);
    if (count === 0) return false;
    this.#to += count;
    for (;;) {
      const skipped = Math.min(this.#skip, this.#to - this.#from);
      this.#skip -= skipped;
      this.#from += skipped;
      if (this.#to - this.#from < headerBytes) break;
      if (!this.#answer()) break;
    }
    if (this.#from > 0) this.#in.bytes.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    return this.#alive;
  }

  /** @returns false while not all of the request is there */
  #answer(): boolean {
    const { view } = this.#in;
    const at = this.#from;
    const code = view.getUint8(at + offsets.opcode);
    const dataLength = view.getUint32(at + offsets.dataLength, true);
    const isData = view.getUint32(at + offsets.oidHigh, true) >>> 24 === 0;
    if (isData && code === opcodes.readObject.code) {
      this.#from += headerBytes;
      this.#reply(at, dataLength);
      return true;
    }
    const writes = code === opcodes.writeObject.code || code === opcodes.createAndWriteObject.code;
    if (isData && writes) {
      this.#from += headerBytes;
      this.#skip = dataLength;
      this.#reply(at, 0);
      return true;
    }
    const sends = (view.getUint16(at + offsets.flags, true) & writeFlag) !== 0;
    const length = headerBytes + (sends ? dataLength : 0);
    if (this.#to - at < length) return false;
    this.#from += length;
    this.#relay(at, length);
    return true;
  }

  /** The bytes behind the header are whatever lies there. */
  #reply(at: number, dataLength: number): void {
    const { dataLength: lengthAt, result } = ReplyHeader.offsets;
    this.#out.bytes.set(this.#in.bytes.subarray(at, at + lengthAt), 0);
    this.#out.view.setUint32(lengthAt, dataLength, true);
    this.#out.bytes.fill(0, result, headerBytes);
    this.#alive &&= writeAll(this.#fd, this.#out, 0, headerBytes + dataLength);
  }

  #relay(at: number, length: number): void {
    writeAll(backend, this.#in, at, length);
    readAll(backend, relayed, 0, headerBytes);
    const dataLength = relayed.view.getUint32(ReplyHeader.offsets.dataLength, true);
    readAll(backend, relayed, headerBytes, dataLength);
    writeAll(this.#fd, relayed, 0, headerBytes + dataLength);
  }
}

const listener = listenSomewhere();
const clients = new Map<number, Client>();
const waitSet = new WaitSet();
waitSet.add(listener.fd);
console.log(listener.port);
for (;;) {
  waitSet.wait((fd) => {
    if (fd === listener.fd) {
      const accepted = acceptFrom(fd);
      clients.set(accepted, new Client(accepted));
      waitSet.add(accepted);
    } else if (clients.get(fd)?.serve() === false) {
      clients.delete(fd);
      closeSocket(fd);
    }
  });
}
