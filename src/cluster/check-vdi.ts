import type { Clock } from "../base/clock.ts";
import { asSheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import type { InodeHeader } from "../wire/inode.ts";
import type { Oid } from "../wire/oid.ts";
import { vidMax } from "../wire/oid.ts";
import { isHypervolume, isOfOneObject } from "./blocks.ts";
import { mapBounded } from "./bounded.ts";
import { type Count, type KindCounts, noCounts, totalOf } from "./check-counts.ts";
import {
  dataOf,
  inodeOf,
  type Looked,
  ledgerOf,
  nodeOf,
  vmStateCounts,
  vmStateOf,
} from "./check-kept.ts";
import { type Damage, lookUntilSure, type Outcome } from "./check-look.ts";
import { Copies } from "./copies.ts";
import { listNodes } from "./nodes.ts";
import { indexNodes, nodeSlots, type SetSlot, setSlots } from "./slots.ts";

export interface CheckPorts {
  readonly caller: SheepCaller;
  readonly clock: Clock;
  /** For each request; all together may take as long as they do. */
  readonly scope: () => Scope;
  /** @throws cancelled when nobody wants it any more */
  readonly wanted: () => void;
  /** For an object that was looked at for another VDI, together with its ledger. */
  readonly isKnown: (slot: SetSlot) => boolean;
  /** It was looked at to the end; not one that the VDI has no more, as others may have it. */
  readonly looked: (slot: SetSlot, isDamaged: boolean) => void;
  readonly checked: (done: { readonly bytes: number }) => void;
  readonly damaged: (damage: Damage) => void;
}

export interface Checked extends Readonly<Count> {
  readonly kinds: Readonly<KindCounts>;
  /** What could not be compared, and why. */
  readonly notes: readonly string[];
}

/**
 * Compares all copies of all that a VDI has: its inode, every object that its index names, own or
 * shared, what counts the references to it, the nodes of its index, and its VM state; of
 * erasure-coded ones whether data and parity fit together. Changes nothing.
 * @throws not_found when it is deleted meanwhile | cancelled | whatever the cluster can throw
 */
export async function checkVdi(ports: CheckPorts, header: InodeHeader): Promise<Checked> {
  const copies = new Copies(ports, await listNodes(ports.caller, ports.scope()));
  return await new VdiCheck(ports, header, copies).run();
}

class VdiCheck {
  readonly #ports: CheckPorts;
  readonly #header: InodeHeader;
  readonly #copies: Copies;
  readonly #notes: string[] = [];
  #unsettled = 0;
  /** Those that name what cannot be known. */
  readonly #unread = new Set<Oid>();
  readonly #kinds = noCounts();

  constructor(ports: CheckPorts, header: InodeHeader, copies: Copies) {
    this.#ports = ports;
    this.#header = header;
    this.#copies = copies;
  }

  async run(): Promise<Checked> {
    const { checked } = this.#ports;
    const inode = inodeOf(this.#header);
    const isDamaged = (await this.#look(inode)) === "damaged";
    checked({ bytes: inode.kept.bytes });
    for await (const slots of this.#slots(inode.kept.oid, isDamaged)) {
      const fresh = slots.filter((slot) => !this.#ports.isKnown(slot));
      await mapBounded(fresh, limits.checkObjectsInflightMax, (slot) => this.#lookAtSlot(slot));
    }
    await this.#lookAtVmState();
    if (this.#unsettled > 0) {
      this.#notes.push(
        `${this.#unsettled} objects were being written whenever they were looked at`,
      );
    }
    return { ...totalOf(this.#kinds), kinds: this.#kinds, notes: this.#notes };
  }

  /** What its index names; of a tree node by node, each looked at before what it names. */
  async *#slots(inode: Oid, isDamaged: boolean): AsyncGenerator<readonly SetSlot[]> {
    const { caller, scope } = this.#ports;
    const index = { caller, header: this.#header, scope };
    let isTree = false;
    for await (const oid of this.#readable(indexNodes(index), inode, isDamaged)) {
      isTree = true;
      const outcome = await this.#look(nodeOf(this.#header, oid));
      yield* this.#readable(nodeSlots(index, oid), oid, outcome === "damaged");
    }
    if (!isTree) yield* this.#readable(setSlots(index), inode, isDamaged);
  }

  /** As far as the object that names them can be read. */
  async *#readable<T>(named: AsyncGenerator<T>, by: Oid, isDamaged: boolean): AsyncGenerator<T> {
    if (this.#unread.has(by)) return;
    try {
      yield* named;
    } catch (thrown) {
      if (!isOfOneObject(thrown)) throw thrown;
      this.#unread.add(by);
      const { message } = asSheepfsError(thrown);
      const text = `what it names is not known, and was not looked at: ${message}`;
      this.#ports.damaged({ oid: by, what: "corrupt", node: null, text });
      if (!isDamaged && by.kind !== "attr") this.#kinds[by.kind].damagedObjects += 1;
    }
  }

  async #lookAtSlot(slot: SetSlot): Promise<void> {
    const { looked, checked } = this.#ports;
    const data = dataOf(this.#header, slot);
    const outcomes = [await this.#look(data)];
    // Of a hypervolume nothing is counted.
    const isCounted = slot.owner <= vidMax && !isHypervolume(this.#header);
    if (isCounted) outcomes.push(await this.#look(ledgerOf(this.#header, slot)));
    if (!outcomes.includes("gone")) looked(slot, outcomes.includes("damaged"));
    checked({ bytes: data.kept.bytes });
  }

  /** The state may also be kept behind the end of the VDI: only of some that is here a rest is missed. */
  async #lookAtVmState(): Promise<void> {
    const counts = vmStateCounts(this.#header);
    const { vmStateSize } = this.#header;
    if (counts === null) {
      const text = `its inode claims ${vmStateSize} bytes of VM state, which were not looked for`;
      this.#notes.push(text);
      return;
    }
    const indexes = Array.from({ length: counts.most }, (_, index) => index);
    const look = async (which: readonly number[], mayBeNowhere: boolean): Promise<Outcome[]> =>
      await mapBounded(which, limits.checkObjectsInflightMax, (index) =>
        this.#look(vmStateOf(this.#header, index, mayBeNowhere)),
      );
    const outcomes = await look(indexes, true);
    const missed = indexes.filter((index) => outcomes[index] === "nowhere");
    if (missed.length < counts.most) {
      await look(
        missed.filter((index) => index < counts.least),
        false,
      );
    } else if (counts.most > 0) {
      const text = `${vmStateSize} bytes of VM state are in no objects of their own: not looked at`;
      this.#notes.push(text);
    }
  }

  async #look(looked: Looked): Promise<Outcome> {
    this.#ports.wanted();
    const { outcome, damages } = await lookUntilSure(this.#ports, this.#copies, {
      ...looked,
      header: this.#header,
    });
    for (const flaw of damages) this.#ports.damaged(flaw);
    const { kind } = looked.kept.oid;
    if (outcome !== "nowhere" && kind !== "attr") {
      this.#kinds[kind].objects += 1;
      if (outcome === "damaged") this.#kinds[kind].damagedObjects += 1;
    }
    if (outcome === "unsettled") this.#unsettled += 1;
    return outcome;
  }
}
