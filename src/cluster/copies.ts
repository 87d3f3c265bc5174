import { type Address, formatAddress } from "../base/address.ts";
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

/** One thing that is wrong with an object. */
export interface Flaw {
  /** `lost`: nobody has enough of it; `differs`: a copy is another than most, or two are not the same. */
  readonly what: "lost" | "missing" | "differs" | "unreadable" | "parity";
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

  /** What is wrong with an object; nothing when every copy is there and they fit together. */
  async flaws(kept: Kept): Promise<Flaw[]> {
    const { oid, code } = kept;
    const nodes = this.#ring.place(oid, kept.copies);
    const copies: Copy[] = nodes.map((node, strip) => ({ node, strip, read: { is: "missing" } }));
    const bytes = code === null ? kept.bytes : kept.bytes / code.dataStrips;
    // A copy is told of once; what of it is behind that is not read.
    const flaws = new Map<Copy, Flaw>();
    const general: Flaw[] = [];
    for (let done = 0; done < bytes; done += limits.checkPieceBytes) {
      const length = Math.min(limits.checkPieceBytes, bytes - done);
      const sound = copies.filter((copy) => !flaws.has(copy));
      await Promise.all(
        sound.map(async (copy) => {
          copy.read = await this.#read(kept, copy, kept.offset + done, length);
        }),
      );
      if (sound.some(({ read }) => read.is === "whole")) return await this.#wholeFlaws(kept);
      for (const copy of sound) {
        const flaw = flawOf(copy, code);
        if (flaw !== null) flaws.set(copy, flaw);
      }
      const there = copies.filter((copy) => !flaws.has(copy));
      const enough = code === null ? 1 : code.dataStrips;
      if (there.length < enough) {
        general.push(lost(copies.length, there.length));
        break;
      }
      if (code === null) for (const [copy, flaw] of unlike(there)) flaws.set(copy, flaw);
      else if (there.length === copies.length) general.push(...this.#parityFlaws(code, there));
      if (general.length > 0) break;
      // Two that differ are one flaw.
      if (copies.every((copy) => flaws.has(copy))) break;
    }
    general.push(...this.#homeless(kept));
    return [...general, ...flaws.values()];
  }

  /** With fewer zones than strips there is nowhere to put them. */
  #homeless({ code, copies }: Kept): Flaw[] {
    if (code === null || this.#zones >= copies) return [];
    const text = `${copies} strips, and only ${this.#zones} zones to keep them in`;
    return [{ what: "missing", node: null, text }];
  }

  /** Of a sheep that keeps objects whole whatever their code. */
  async #wholeFlaws({ oid }: Kept): Promise<Flaw[]> {
    const { caller, scope } = this.#ports;
    const request = objectRequest("readObject", oid, { receiveBytes: 512 });
    const { result } = await caller.call(request, scope(), readResults);
    if (result === results.success.code) return [];
    if (result === results.noObject.code) return [lost(1, 0)];
    return [{ what: "unreadable", node: null, text: resultError(result).message }];
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
    there === 0 ? "the index names it, and it is nowhere" : `${there} of ${all} strips are left`;
  return { what: "lost", node: null, text };
}

/** Copies that are not as most are; without a majority all of them, as none can be said to be right. */
function unlike(copies: readonly Copy[]): [Copy, Flaw][] {
  const groups: Copy[][] = [];
  for (const copy of copies) {
    const same = groups.find(([first]) => first !== undefined && sameRead(first, copy));
    if (same === undefined) groups.push([copy]);
    else same.push(copy);
  }
  if (groups.length <= 1) return [];
  const [most = []] = groups.toSorted((a, b) => b.length - a.length);
  const isMost = most.length * 2 > copies.length;
  const others = isMost ? groups.filter((group) => group !== most).flat() : copies;
  return others.map((copy) => {
    const node = formatAddress(copy.node);
    const text = isMost
      ? "differs from the other copies"
      : "the copies differ, and no most are the same";
    return [copy, { what: "differs", node, text }];
  });
}

function sameRead(a: Copy, b: Copy): boolean {
  if (a.read.is !== "there" || b.read.is !== "there") return false;
  return Buffer.compare(a.read.bytes, b.read.bytes) === 0;
}
