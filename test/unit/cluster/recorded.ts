import type { Address } from "../../../src/base/address.ts";
import type { Scope } from "../../../src/base/scope.ts";
import type { SheepCaller } from "../../../src/client/caller.ts";
import {
  ObjectRequestHeader,
  type SheepReply,
  type SheepRequest,
} from "../../../src/wire/header.ts";
import { readOid } from "../../../src/wire/oid.ts";
import { opcodeOf, opcodes } from "../../../src/wire/opcode.ts";
import { type CaptureStep, loadCapture } from "../../captures/load.ts";

const at = ObjectRequestHeader.offsets;

/**
 * Answers as the sheep of a recording did: reads of inodes from all that was recorded of them, other
 * requests by the answer to the request whose bytes are the same, ids and buffers aside.
 */
export class RecordedSheep implements SheepCaller {
  readonly #inodes = new Map<number, Uint8Array>();
  readonly #steps: readonly CaptureStep[];
  /** What STAT_SHEEP answers, which goes past the recorder. */
  stat: Uint8Array<ArrayBuffer> | null = null;

  constructor(...captures: readonly string[]) {
    this.#steps = captures.flatMap((name) => loadCapture(name).steps);
    for (const { request, response } of this.#steps) {
      const read = inodeRead(request.header);
      if (read === null || response.data === null) continue;
      const inode = this.#inodes.get(read.vid) ?? new Uint8Array(64 * 1024);
      inode.set(response.data.subarray(0, inode.length - read.offset), read.offset);
      this.#inodes.set(read.vid, inode);
    }
  }

  async call(request: SheepRequest, _scope: Scope, expected: readonly number[] = []) {
    const read = inodeRead(request.header);
    const inode = read === null ? undefined : this.#inodes.get(read.vid);
    if (read !== null && inode !== undefined) {
      const data = inode.slice(read.offset, read.offset + request.receiveBytes);
      return { header: new DataView(new ArrayBuffer(48)), result: 0, data };
    }
    const step = this.#steps.find((one) => sameRequest(one.request.header, request));
    if (step === undefined) throw new Error(`${request.opcode} was not recorded`);
    const header = new DataView(step.response.header.slice().buffer);
    const result = header.getUint32(16, true);
    if (result !== 0 && !expected.includes(result)) throw new Error(`result ${result}`);
    return { header, result, data: step.response.data?.slice() ?? new Uint8Array(0) };
  }

  async callAt(_: Address, request: SheepRequest): Promise<SheepReply> {
    if (request.opcode !== "statSheep" || this.stat === null) throw new Error("not recorded");
    return { header: new DataView(this.stat.buffer), result: 0, data: new Uint8Array(0) };
  }
}

function inodeRead(header: Uint8Array): { vid: number; offset: number } | null {
  const view = new DataView(header.buffer, header.byteOffset);
  if (opcodeOf(header[at.opcode] ?? 0) !== "readObject") return null;
  const oid = readOid(view, at.oidLow);
  if (oid?.kind !== "inode") return null;
  return { vid: oid.vid, offset: view.getUint32(at.offset, true) };
}

/** The opcode and the operation's own part; a longer log may be asked for than was recorded. */
function sameRequest(recorded: Uint8Array, request: SheepRequest): boolean {
  const own = (header: Uint8Array): Uint8Array => header.subarray(16);
  if (recorded[at.opcode] !== opcodes[request.opcode].code) return false;
  return Buffer.compare(own(recorded), own(request.header)) === 0;
}
