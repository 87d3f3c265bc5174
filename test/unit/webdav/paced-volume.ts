import { SheepfsError } from "../../../src/base/errors.ts";
import type { Transfer } from "../../../src/base/transfer.ts";
import type { Attr, FileNode, FileTraits, FileVersion, OpenFile } from "../../../src/tree/node.ts";

interface HeldWrite {
  readonly offset: number;
  readonly length: number;
  finish(error?: SheepfsError): void;
}

/** A volume in memory that answers at once, or when the test says so. */
export class PacedVolume implements FileNode {
  readonly kind = "file";
  readonly id = 4_711;
  readonly traits: FileTraits = {
    ...{ seekable: true, immutable: false, directIo: true },
    ...{ blockBytes: 4096, writable: true, extensible: false },
  };
  readonly bytes: Uint8Array;
  /** Every extent that was asked for. */
  readonly asked: { readonly offset: number; readonly length: number }[] = [];
  reads: Transfer[] | null = null;
  writes: HeldWrite[] | null = null;
  /** What was done to it, in order. */
  readonly story: string[] = [];
  tag = "one";
  strong = true;
  lends = true;
  opens = 0;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 1) this.bytes[at] = (at * 31 + (at >>> 8)) & 0xff;
  }

  attr(): Attr {
    const at = 1_700_000_000_000;
    const { length } = this.bytes;
    const times = { mtimeMs: at, ctimeMs: at, birthtimeMs: at };
    return { kind: "file", sizeBytes: length, allocatedBytes: length, mode: 0o644, ...times };
  }

  version(): FileVersion {
    return { tag: this.tag, strong: this.strong, modifiedMs: 1_700_000_000_000 };
  }

  /** Answers one held read, or fails it. */
  answer(index: number, error: SheepfsError | null = null): void {
    const [transfer] = this.reads?.splice(index, 1) ?? [];
    if (transfer === undefined) throw new Error(`no read ${index} is held`);
    this.#answer(transfer, error);
  }

  open(): OpenFile {
    this.opens += 1;
    return {
      sizeBytes: () => this.bytes.length,
      submitRead: (transfer) => {
        const { offset, length } = transfer;
        this.asked.push({ offset, length });
        if (this.reads === null) this.#answer(transfer, null);
        else this.reads.push(transfer);
      },
      read: () => 0,
      write: (from, offset) => this.#write(from, offset),
      flush: async () => {},
      sync: async () => {
        this.story.push("sync");
      },
      close: async () => {
        this.opens -= 1;
      },
    };
  }

  #answer(transfer: Transfer, error: SheepfsError | null): void {
    const { offset, length, buffer, at } = transfer;
    if (error === null && !(this.lends && transfer.lend(this.bytes, offset))) {
      buffer.set(this.bytes.subarray(offset, offset + length), at);
    }
    transfer.done(error);
  }

  #write(from: Uint8Array, offset: number): Promise<number> {
    const { length } = from;
    const finish = (): number => {
      this.bytes.set(from, offset);
      this.story.push(`${offset}+${length}`);
      return length;
    };
    if (this.writes === null) return Promise.resolve(finish());
    const held = Promise.withResolvers<number>();
    this.writes.push({
      ...{ offset, length },
      finish: (error) => {
        if (error === undefined) held.resolve(finish());
        else held.reject(error);
      },
    });
    return held.promise;
  }
}

export function lost(): SheepfsError {
  return new SheepfsError("unavailable", "no gateway answered");
}
