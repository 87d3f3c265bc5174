import { connect, type Socket } from "node:net";

/** Where a VDI is now, as this client sees it. */
export interface FoundVdi {
  readonly vid: number;
  readonly objectBytes: number;
}

const headerBytes = 48;
const nameBytes = 256;
const tagAt = 256;
const slotsAt = 4664;
const writeFlag = 1;
const lockFlag = 0x08;
/** From here on requests carry the version of the daemons' own protocol. */
const internalOpcodes = 0x80;
const opcode = {
  read: 0x02,
  write: 0x03,
  newVdi: 0x11,
  lock: 0x12,
  release: 0x13,
  find: 0x14,
  deleteVdi: 0x17,
  format: 0x84,
} as const;

/**
 * Somebody else at the same cluster: makes snapshots, resizes, and says what really lies in an
 * object. Written from the protocol alone and sharing no code with the program, so that one
 * mistake cannot hide another.
 */
export class OtherClient implements AsyncDisposable {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on("close", () => this.#wake());
  }

  static async connect(address: string): Promise<OtherClient> {
    const colon = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new OtherClient(socket);
  }

  async find(name: string): Promise<FoundVdi> {
    const { header } = await this.#ask(opcode.find, () => {}, padded(name));
    return { vid: header.readUInt32LE(24), objectBytes: 2 ** header.readUInt8(33) };
  }

  async create(name: string, bytes: number, kind: "plain" | "hyper" = "plain"): Promise<void> {
    const describe = (header: Buffer): void => {
      header.writeBigUInt64LE(BigInt(bytes), 16);
      header.writeUInt8(kind === "hyper" ? 1 : 0, 30);
    };
    await this.#ask(opcode.newVdi, describe, padded(name));
  }

  /** Forgets everything in the cluster and makes it one whose VDIs are locked while in use. */
  async formatWithLocks(): Promise<void> {
    const describe = (header: Buffer): void => {
      header.writeUInt32LE(Math.floor(Date.now() / 1000), 28);
      header.writeUInt8(1, 32);
      header.writeUInt16LE(lockFlag, 34);
      header.writeUInt8(22, 44);
    };
    await this.#ask(opcode.format, describe, padded("plain"));
  }

  /** Takes the lock of a VDI. @throws Error with the result when it is locked */
  async lock(name: string): Promise<void> {
    await this.#ask(opcode.lock, () => {}, Buffer.concat([padded(name), padded("")]));
  }

  async release(vid: number): Promise<void> {
    await this.#ask(opcode.release, (header) => {
      header.writeUInt32LE(vid, 24);
    });
  }

  /** Makes what is in `name` now a snapshot called `tag`, as dog does. */
  async snapshot(name: string, tag: string): Promise<void> {
    const { vid } = await this.find(name);
    const inode = await this.#readInode(vid, 0, slotsAt);
    await this.#writeInode(vid, tagAt, padded(tag));
    const describe = (header: Buffer): void => {
      inode.copy(header, 16, 536, 544);
      header.writeUInt32LE(vid, 24);
      header.writeUInt8(inode.readUInt8(554), 28);
      header.writeUInt8(inode.readUInt8(552), 29);
      header.writeUInt8(inode.readUInt8(553), 30);
      header.writeUInt8(inode.readUInt8(555), 31);
      header.writeUInt32LE(1, 32);
    };
    await this.#ask(opcode.newVdi, describe, padded(name));
  }

  /** Gives the working VDI another size. */
  async resize(name: string, bytes: number | bigint): Promise<void> {
    const { vid } = await this.find(name);
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(bytes));
    await this.#writeInode(vid, 536, size);
  }

  /** Deletes the working VDI: first its slots are cleared, as a sheep deletes none that has some. */
  async delete(name: string): Promise<void> {
    const { vid } = await this.find(name);
    await this.#writeInode(vid, slotsAt, Buffer.alloc(4 * 1024));
    await this.#ask(opcode.deleteVdi, () => {}, padded(name));
  }

  /** What `dog vdi rollback` does: a new working VDI of the name is made from a snapshot. */
  async rollback(name: string, snapshotVid: number): Promise<void> {
    await this.delete(name);
    const inode = await this.#readInode(snapshotVid, 0, slotsAt);
    const describe = (header: Buffer): void => {
      inode.copy(header, 16, 536, 544);
      header.writeUInt32LE(snapshotVid, 24);
      header.writeUInt8(inode.readUInt8(554), 28);
      header.writeUInt8(inode.readUInt8(555), 31);
    };
    await this.#ask(opcode.newVdi, describe, padded(name));
  }

  /** The vid in one slot of the working VDI, 0 for a hole. */
  async slot(name: string, index: number): Promise<number> {
    const { vid } = await this.find(name);
    return (await this.#readInode(vid, slotsAt + 4 * index, 4)).readUInt32LE(0);
  }

  /** Bytes of the volume as the objects hold them; within one object. */
  async read(name: string, offset: number, length: number): Promise<Buffer> {
    const { vid, objectBytes } = await this.find(name);
    const index = Math.floor(offset / objectBytes);
    const owner = (await this.#readInode(vid, slotsAt + 4 * index, 4)).readUInt32LE(0);
    if (owner === 0) return Buffer.alloc(length);
    return await this.#readObject({ high: owner, low: index }, offset % objectBytes, length);
  }

  /** Writes into an object of the working VDI that is its own already. */
  async write(name: string, offset: number, bytes: Buffer): Promise<void> {
    const { vid, objectBytes } = await this.find(name);
    const describe = (header: Buffer): void => {
      header.writeUInt32LE(Math.floor(offset / objectBytes), 16);
      header.writeUInt32LE(vid, 20);
      header.writeUInt32LE(offset % objectBytes, 40);
    };
    await this.#ask(opcode.write, describe, bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }

  #readInode(vid: number, offset: number, length: number): Promise<Buffer> {
    return this.#readObject({ high: (0x8000_0000 | vid) >>> 0, low: 0 }, offset, length);
  }

  async #readObject(
    oid: { readonly high: number; readonly low: number },
    offset: number,
    length: number,
  ): Promise<Buffer> {
    const describe = (header: Buffer): void => {
      header.writeUInt32LE(length, 12);
      header.writeUInt32LE(oid.low, 16);
      header.writeUInt32LE(oid.high, 20);
      header.writeUInt32LE(offset, 40);
    };
    return (await this.#ask(opcode.read, describe, null)).data;
  }

  async #writeInode(vid: number, offset: number, bytes: Buffer): Promise<void> {
    const describe = (header: Buffer): void => {
      header.writeUInt32LE((0x8000_0000 | vid) >>> 0, 20);
      header.writeUInt32LE(offset, 40);
    };
    await this.#ask(opcode.write, describe, bytes);
  }

  async #ask(
    code: number,
    describe: (header: Buffer) => void,
    data: Buffer | null = null,
  ): Promise<{ header: Buffer; data: Buffer }> {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(code < internalOpcodes ? 2 : 10, 0);
    header.writeUInt8(code, 1);
    if (data !== null) {
      header.writeUInt16LE(writeFlag, 2);
      header.writeUInt32LE(data.length, 12);
    }
    describe(header);
    this.#socket.write(data === null ? header : Buffer.concat([header, data]));
    const answer = await this.#take(headerBytes);
    const body = await this.#take(answer.readUInt32LE(12));
    const result = answer.readUInt32LE(16);
    if (result !== 0) throw new Error(`opcode ${code}: result 0x${result.toString(16)}`);
    return { header: answer, data: body };
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.#socket.destroyed) throw new Error("the sheep closed the connection");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return Buffer.from(taken);
  }
}

function padded(text: string): Buffer {
  const bytes = Buffer.alloc(nameBytes);
  bytes.write(text);
  return bytes;
}
