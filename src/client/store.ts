import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import { objectRequest, type SheepRequest } from "../wire/header.ts";
import { opcodes, type ReplayRule, requestFlag } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { CallReply, CallSink } from "./flight.ts";
import type { ObjectRequest } from "./object-request.ts";

interface Place {
  readonly kind: "inode" | "index";
  readonly vid: number;
  readonly index: number;
}

export interface CallOptions {
  readonly rule: ReplayRule;
  readonly expected: readonly number[];
  /** Where an exact answer goes; null for one of its own length. */
  readonly into: {
    readonly bytes: Uint8Array;
    readonly at: number;
    readonly length: number;
  } | null;
  readonly resolved: (() => void) | null;
}

/** Sends one request that is not on the path of block I/O. */
export function dispatchCall(
  dispatcher: Dispatcher,
  request: SheepRequest,
  options: CallOptions,
  scope: Scope,
): Promise<CallReply> {
  const { into, rule, expected } = options;
  const settled = Promise.withResolvers<CallReply>();
  const sink: CallSink = {
    expected,
    done: (error, reply) => {
      if (reply !== null) settled.resolve(reply);
      else settled.reject(error ?? new SheepfsError("internal", "an answer without its header"));
    },
    resolved: () => options.resolved?.(),
  };
  const plan = {
    request,
    rule,
    into: into?.bytes ?? null,
    at: into?.at ?? 0,
    length: into?.length ?? 0,
  };
  dispatcher.submitCall(plan, sink, scope);
  return settled.promise;
}

/** The objects of a cluster, as a volume needs them. */
export class SheepStore {
  /** Objects may be cached by the sheep; sheep 1.0 has no such cache and ignores it. */
  objectCache: boolean;
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher, objectCache: boolean) {
    this.#dispatcher = dispatcher;
    this.objectCache = objectCache;
  }

  submit(request: ObjectRequest): void {
    this.#dispatcher.submitObject(request, this.objectCache ? requestFlag.cache : 0);
  }

  /** Fills `into` from byte `offset` of the inode object of `vid`. */
  readInode(vid: number, offset: number, into: Uint8Array, scope: Scope): Promise<void> {
    return this.#read({ kind: "inode", vid, index: 0 }, offset, into, scope);
  }

  /**
   * Writes part of an inode in one request, so that nothing of it is torn by a crash of ours.
   * @returns whether it was sent once only
   */
  async writeInode(
    vid: number,
    offset: number,
    bytes: Uint8Array,
    scope: Scope,
    resolved?: () => void,
  ): Promise<boolean> {
    const fields = { kind: "inode", vid, index: 0, offset } as const;
    const request = objectRequest("writeObject", fields, { data: bytes });
    const { sends } = await this.#write(request, scope, resolved);
    return sends === 1;
  }

  /** Returns when no sheep has an object left to remove for a write of slots that ended by then. */
  removalsOver(endedMs: number, scope: Scope): Promise<void> {
    return this.#dispatcher.holding.removals.over(endedMs, scope);
  }

  readIndexNode(vid: number, number: number, into: Uint8Array, scope: Scope): Promise<void> {
    return this.#read({ kind: "index", vid, index: number }, 0, into, scope);
  }

  async writeIndexNode(
    what: { vid: number; number: number; offset: number; create: boolean },
    bytes: Uint8Array,
    scope: Scope,
    resolved?: () => void,
  ): Promise<void> {
    const { vid, number: index, offset, create } = what;
    const fields = { kind: "index", vid, index, offset } as const;
    const opcode = create ? "createAndWriteObject" : "writeObject";
    await this.#write(objectRequest(opcode, fields, { data: bytes }), scope, resolved);
  }

  /** Resolves when what was acknowledged before is durable. */
  async flush(vid: number, scope: Scope): Promise<void> {
    const { pool } = this.#dispatcher;
    // Until it is another one, or the same that has started anew.
    if (pool.current?.flushFree === true) return;
    const request = objectRequest("flushVdi", { kind: "inode", vid, index: 0 }, {});
    const expected = [results.invalidParameters.code];
    const options = { rule: opcodes.flushVdi.replay, expected, into: null, resolved: null };
    const reply = await dispatchCall(this.#dispatcher, request, options, scope);
    if (reply.result === results.invalidParameters.code) reply.gateway.flushFree = true;
  }

  #write(request: SheepRequest, scope: Scope, resolved?: () => void): Promise<CallReply> {
    // Creates too: the volume lets nobody else write the object until this one is settled.
    const rule = "idempotent";
    const options = { rule, expected: [], into: null, resolved: resolved ?? null } as const;
    return dispatchCall(this.#dispatcher, request, options, scope);
  }

  /** In pieces, several under way; all have ended when it does. */
  async #read(place: Place, offset: number, into: Uint8Array, scope: Scope): Promise<void> {
    let next = 0;
    const readOn = async (): Promise<void> => {
      while (next < into.length) {
        const at = next;
        const length = Math.min(limits.pieceBytesMax, into.length - at);
        next += length;
        const fields = { ...place, offset: offset + at };
        const request = objectRequest("readObject", fields, { receiveBytes: length });
        const target = { bytes: into, at, length };
        const options = { rule: "idempotent", expected: [], into: target, resolved: null } as const;
        await dispatchCall(this.#dispatcher, request, options, scope);
      }
    };
    const lanes = Math.min(limits.piecesInflightMax, Math.ceil(into.length / limits.pieceBytesMax));
    const ends = await Promise.allSettled(Array.from({ length: lanes }, readOn));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}
