import type { Clock } from "../../../src/base/clock.ts";
import { limits } from "../../../src/base/limits.ts";
import { type Logger, silentLogger } from "../../../src/base/log.ts";
import { InHeader, InitInExtended, initFlag, OutHeader } from "../../../src/fuse/abi.ts";
import type { FuseDevice } from "../../../src/fuse/channel.ts";
import { errno } from "../../../src/fuse/errno.ts";
import { type MessageName, messageTable } from "../../../src/fuse/messages.ts";
import type { Notes } from "../../../src/fuse/saved.ts";
import { FuseServer } from "../../../src/fuse/server.ts";
import type { Tree } from "../../../src/tree/node.ts";
import { MemoryTube } from "../../simulate/memory-tube.ts";

export interface Reply {
  readonly unique: number;
  readonly error: number;
  readonly body: Uint8Array;
  readonly view: DataView;
}

interface KernelOptions {
  readonly readOnly?: boolean;
  readonly log?: Logger;
  readonly notes?: Notes;
}

/** A clock that a test moves. */
export class TestClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }
  after(delayMs: number, fire: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.atMs > this.#nowMs || !this.#timers.delete(timer)) continue;
      timer.fire();
    }
  }
}

/** The kernel's half of the conversation, over a device that is two queues. */
export class TestKernel implements FuseDevice {
  readonly server: FuseServer;
  readonly replies: Reply[] = [];
  readonly clock = new TestClock();
  watching = true;
  closed = false;
  /** What the device says when no message waits. */
  whenEmpty: number = -errno.EAGAIN;
  /** Messages that were interrupted: their answers are not taken. */
  readonly unwanted = new Set<number>();
  /** Tubes that are lent. */
  readonly lent = new Set<MemoryTube>();
  readonly tubes: NonNullable<FuseDevice["tubes"]> = {
    take: () => {
      const tube = new MemoryTube();
      this.lent.add(tube);
      return tube;
    },
    give: (tube) => {
      if (!(tube instanceof MemoryTube && this.lent.delete(tube))) throw new Error("not lent");
    },
    send: (head, headAt, headLength, tubes) => {
      const parts = tubes.map((tube) => (tube instanceof MemoryTube ? tube.content : head));
      const body = Buffer.concat(parts);
      for (const tube of tubes) tube.clear();
      return this.write(head, headAt, headLength, body, 0, body.length);
    },
  };
  readonly #queue: Uint8Array[] = [];
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #unique = 0;

  constructor(tree: Tree, options: KernelOptions = {}) {
    this.server = new FuseServer(this, {
      tree,
      ownership: { uid: 0, gid: 0, umask: 0 },
      readOnly: options.readOnly ?? false,
      timeoutMs: limits.operationTimeoutMs,
      notes: options.notes ?? null,
      clock: this.clock,
      log: options.log ?? silentLogger,
    });
  }

  /** A kernel whose INIT is answered. */
  static async ready(tree: Tree, options: KernelOptions = {}) {
    const kernel = new TestKernel(tree, options);
    await kernel.init();
    return kernel;
  }

  init(minor = 45, flags = 0xffff_ffff | 0): Promise<Reply> {
    const bytes = InitInExtended.encode({
      major: 7,
      minor,
      maxReadahead: 131_072,
      flags: (flags | initFlag.initExt) >>> 0,
      flags2: 0xffff_ffff,
    });
    return this.ask("INIT", 0, bytes);
  }

  /** Sends a message and waits for its reply. */
  ask(name: MessageName, nodeId: number, body: Uint8Array = new Uint8Array(0)): Promise<Reply> {
    return this.post(name, nodeId, body).reply;
  }

  /** Sends a message; its number is known at once, the reply comes when it comes. */
  post(name: MessageName, nodeId: number, body: Uint8Array = new Uint8Array(0)) {
    this.#unique += 2;
    const unique = this.#unique;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#waiting.set(unique, resolve);
    this.raw(messageBytes(messageTable[name].opcode, unique, nodeId, body));
    return { unique, reply: promise };
  }

  /** Sends a message that has no reply. */
  tell(name: MessageName, nodeId: number, body: Uint8Array): void {
    this.#unique += 2;
    this.raw(messageBytes(messageTable[name].opcode, this.#unique, nodeId, body));
  }

  raw(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.pump();
  }

  get queued(): number {
    return this.#queue.length;
  }

  pump(): void {
    while (this.watching && this.#queue.length > 0) this.server.readable();
  }

  read(into: Uint8Array, at: number, length: number): number {
    const next = this.#queue.shift();
    if (next === undefined) return this.whenEmpty;
    if (next.length > length) throw new Error("the buffer is too small for the message");
    into.set(next, at);
    return next.length;
  }

  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number {
    const tail = body === null ? new Uint8Array(0) : body.subarray(bodyAt, bodyAt + bodyLength);
    const bytes = Buffer.concat([head.subarray(headAt, headAt + headLength), tail]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const header = OutHeader.read(view, 0);
    if (header.len !== bytes.length) throw new Error(`length ${header.len} of ${bytes.length}`);
    const unique = header.uniqueLow + header.uniqueHigh * 2 ** 32;
    if (this.unwanted.delete(unique)) return -errno.ENOENT;
    const start = OutHeader.size;
    const reply: Reply = {
      unique,
      error: 0 - header.error,
      body: bytes.subarray(start),
      view: new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start),
    };
    this.replies.push(reply);
    this.#waiting.get(unique)?.(reply);
    this.#waiting.delete(unique);
    return bytes.length;
  }

  watch(watching: boolean): void {
    this.watching = watching;
  }

  close(): void {
    this.closed = true;
  }
}

/** The bytes of one message. */
export function messageBytes(
  opcode: number,
  unique: number,
  nodeId: number,
  body: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(InHeader.size + body.length);
  const view = new DataView(bytes.buffer);
  InHeader.write(view, 0, {
    len: bytes.length,
    opcode,
    uniqueLow: unique >>> 0,
    uniqueHigh: Math.floor(unique / 2 ** 32),
    nodeIdLow: nodeId >>> 0,
    nodeIdHigh: Math.floor(nodeId / 2 ** 32),
    uid: 0,
    gid: 0,
    pid: 1,
    extensionWords: 0,
  });
  bytes.set(body, InHeader.size);
  return bytes;
}

export function nameBytes(...names: string[]): Uint8Array {
  return new TextEncoder().encode(names.map((name) => `${name}\0`).join(""));
}
