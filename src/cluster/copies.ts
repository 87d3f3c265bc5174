import { type Address, formatAddress } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import { asSheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import type { NodeList } from "../wire/cluster.ts";
import type { ErasureCode } from "../wire/ec.ts";
import { objectRequest } from "../wire/header.ts";
import type { Oid } from "../wire/oid.ts";
import { Parity } from "../wire/parity.ts";
import { resultError, results } from "../wire/result.ts";
import { Ring } from "../wire/ring.ts";
import {
  type CopyBytes,
  type Odd,
  oddOnes,
  settled,
  type UnlikeWord,
  type UnlikeWords,
  unlikeWords,
} from "./unlike.ts";

/** One thing that is wrong with an object. */
export interface Flaw {
  /**
   * `lost`: nobody has enough of it; `differs`: a copy is another than most, or two are not the same;
   * `corrupt`: no copy need differ, what it says cannot be.
   */
  readonly what: "lost" | "missing" | "differs" | "unreadable" | "parity" | "corrupt";
  /** HOST:PORT of the node that has what is wrong; null when that cannot be said. */
  readonly node: string | null;
  readonly text: string;
}

/** Part of an object, and how it is kept. */
export interface Kept {
  readonly oid: Oid;
  readonly offset: number;
  readonly bytes: number;
  readonly copies: number;
  /** Null where it is kept in copies. */
  readonly code: ErasureCode | null;
  /** What lies at a byte of the object, as a message says it; null where only its owner knows. */
  readonly place: (at: number) => string | null;
}

/** What one look at an object has found. */
export interface Look {
  readonly flaws: readonly Flaw[];
  /** Where copies are not alike at this moment: a flaw when they are not at the next look either. */
  readonly unlike: UnlikeWords;
  /** No node has anything of it. */
  readonly isNowhere: boolean;
}

interface Ports {
  readonly caller: SheepCaller;
  readonly scope: () => Scope;
}

type Read =
  | { readonly is: "there"; readonly bytes: Uint8Array }
  | { readonly is: "missing" | "whole" }
  | { readonly is: "unreadable"; readonly why: string };

interface Copy {
  readonly node: Address;
  readonly strip: number;
  read: Read;
}

const readResults = [...Object.values(results)].map(({ code }) => code);

/** The copies of objects, each read from the node that has it, at one state of the cluster. */
export class Copies {
  readonly #ports: Ports;
  readonly #list: NodeList;
  readonly #ring: Ring;
  readonly #zones: number;
  readonly #parities = new Map<string, Parity>();

  constructor(ports: Ports, list: NodeList) {
    this.#ports = ports;
    this.#list = list;
    this.#ring = new Ring(list.nodes);
    const keeping = list.nodes.filter(({ vnodes }) => vnodes > 0);
    this.#zones = new Set(keeping.map(({ zone }) => zone)).size;
  }

  /**
   * What is wrong with an object; nothing when every copy is there and they fit together. Copies that
   * differ are called that when they did so in the same way at the look before.
   */
  async look(kept: Kept, before: UnlikeWords): Promise<Look> {
    const { oid, code } = kept;
    const nodes = this.#ring.place(oid, kept.copies);
    const copies: Copy[] = nodes.map((node, strip) => ({ node, strip, read: { is: "missing" } }));
    const bytes = code === null ? kept.bytes : kept.bytes / code.dataStrips;
    // A copy is told of once. One that differs has its vote yet, where it is as others are.
    const flaws = new Map<Copy, Flaw>();
    const unread = new Set<Copy>();
    const general: Flaw[] = [];
    const unlike = new Map<number, UnlikeWord>();
    for (let done = 0; done < bytes; done += limits.checkPieceBytes) {
      const length = Math.min(limits.checkPieceBytes, bytes - done);
      const sound = copies.filter((copy) => !unread.has(copy));
      await Promise.all(
        sound.map(async (copy) => {
          copy.read = await this.#read(kept, copy, kept.offset + done, length);
        }),
      );
      if (sound.some(({ read }) => read.is === "whole")) return await this.#wholeLook(kept);
      for (const copy of sound) {
        const flaw = flawOf(copy, code);
        if (flaw === null) continue;
        unread.add(copy);
        if (!flaws.has(copy)) flaws.set(copy, flaw);
      }
      const there = copies.filter((copy) => !unread.has(copy));
      const enough = code === null ? 1 : code.dataStrips;
      if (there.length < enough) {
        general.push(lost(copies.length, there.length));
        break;
      }
      if (code === null) {
        const words = unlikeWords(there.map(bytesOf), kept.offset + done, limits.checkUnlikeMax);
        for (const word of words)
          if (unlike.size < limits.checkUnlikeMax) unlike.set(word.at, word);
        for (const odd of oddOnes(there.map(bytesOf), settled(words, before))) {
          if (!flaws.has(odd.copy.copy)) flaws.set(odd.copy.copy, differs(odd, kept));
        }
      } else if (there.length === copies.length) general.push(...this.#parityFlaws(code, there));
      if (general.length > 0) break;
      // Two that differ are one flaw.
      if (copies.every((copy) => flaws.has(copy))) break;
    }
    const isNowhere = copies.every(({ read }) => read.is === "missing");
    general.push(...this.#homeless(kept));
    return { flaws: [...general, ...flaws.values()], unlike, isNowhere };
  }

  /** With fewer zones than strips there is nowhere to put them. */
  #homeless({ code, copies }: Kept): Flaw[] {
    if (code === null || this.#zones >= copies) return [];
    const text = `${copies} strips, and only ${this.#zones} zones to keep them in`;
    return [{ what: "missing", node: null, text }];
  }

  /** Of a sheep that keeps objects whole whatever their code. */
  async #wholeLook({ oid }: Kept): Promise<Look> {
    const { caller, scope } = this.#ports;
    const request = objectRequest("readObject", oid, { receiveBytes: 512 });
    const { result } = await caller.call(request, scope(), readResults);
    const look = { flaws: [], unlike: new Map(), isNowhere: false };
    if (result === results.success.code) return look;
    if (result === results.noObject.code) return { ...look, flaws: [lost(1, 0)], isNowhere: true };
    const text = resultError(result).message;
    return { ...look, flaws: [{ what: "unreadable", node: null, text }] };
  }

  async #read({ oid, code }: Kept, copy: Copy, offset: number, bytes: number): Promise<Read> {
    const { caller, scope } = this.#ports;
    const { epoch } = this.#list;
    const strip = code === null ? {} : { ecIndex: copy.strip };
    const fields = { ...oid, ...strip, offset, epoch, targetEpoch: epoch };
    const request = objectRequest("readPeer", fields, { receiveBytes: bytes });
    try {
      const { result, data } = await caller.callAt(copy.node, request, scope(), readResults);
      if (result === results.noObject.code) return { is: "missing" };
      if (result === results.notSupported.code) return { is: "whole" };
      if (result !== results.success.code) {
        return { is: "unreadable", why: resultError(result).message };
      }
      if (data.length === bytes) return { is: "there", bytes: data };
      return { is: "unreadable", why: `${data.length} of ${bytes} bytes` };
    } catch (thrown) {
      const { code: why, message } = asSheepfsError(thrown);
      if (why === "cancelled") throw thrown;
      return { is: "unreadable", why: message };
    }
  }

  #parityFlaws(code: ErasureCode, copies: readonly Copy[]): Flaw[] {
    const strips = copies.map(({ read }) => (read.is === "there" ? read.bytes : new Uint8Array(0)));
    const data = strips.slice(0, code.dataStrips);
    const wrong: Copy[] = [];
    for (let strip = 0; strip < code.parityStrips; strip += 1) {
      const copy = copies[code.dataStrips + strip];
      if (copy?.read.is !== "there") continue;
      const computed = this.#parity(code).of(strip, data);
      if (Buffer.compare(computed, copy.read.bytes) !== 0) wrong.push(copy);
    }
    if (wrong.length === 0) return [];
    // A wrong data strip makes all of them wrong.
    if (wrong.length === code.parityStrips) {
      const text = "data and parity do not fit together";
      return [{ what: "parity", node: null, text }];
    }
    return wrong.map(({ node, strip }) => ({
      ...({ what: "parity", node: formatAddress(node) } as const),
      text: `parity strip ${strip} does not fit the data`,
    }));
  }

  #parity(code: ErasureCode): Parity {
    const key = `${code.dataStrips}:${code.parityStrips}`;
    const known = this.#parities.get(key) ?? new Parity(code);
    this.#parities.set(key, known);
    return known;
  }
}

function flawOf({ node, strip, read }: Copy, code: ErasureCode | null): Flaw | null {
  const which = code === null ? "the copy" : `strip ${strip}`;
  const address = formatAddress(node);
  if (read.is === "missing") return { what: "missing", node: address, text: `${which} is missing` };
  if (read.is !== "unreadable") return null;
  return { what: "unreadable", node: address, text: `${which} cannot be read: ${read.why}` };
}

function lost(all: number, there: number): Flaw {
  const text =
    there === 0 ? "the VDI names it, and it is nowhere" : `${there} of ${all} strips are left`;
  return { what: "lost", node: null, text };
}

/** @param copy one that was read just now */
function bytesOf(copy: Copy): CopyBytes & { readonly copy: Copy } {
  const { node, read } = copy;
  assert(read.is === "there", "only what was read is compared");
  return { node: formatAddress(node), bytes: read.bytes, copy };
}

function differs({ copy, at, isOutvoted }: Odd<CopyBytes>, { place }: Kept): Flaw {
  const text = isOutvoted
    ? "differs from the other copies"
    : "the copies differ, and no most are the same";
  const what = place(at);
  const where = `first at byte ${at}${what === null ? "" : ` (${what})`}`;
  return { what: "differs", node: copy.node, text: `${text}, ${where}` };
}
