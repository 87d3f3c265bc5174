import type { Address } from "../../base/address.ts";
import { limits } from "../../base/limits.ts";
import { NumberSet } from "../../base/number-set.ts";
import type { Progress } from "../../base/progress.ts";
import type { SheepCaller } from "../../client/caller.ts";
import { objectBytesOf } from "../../cluster/blocks.ts";
import type { Damage } from "../../cluster/check-look.ts";
import { type Checked, type CheckPorts, checkVdi } from "../../cluster/check-vdi.ts";
import { hexVid } from "../../cluster/inode.ts";
import type { SetSlot } from "../../cluster/slots.ts";
import { vdiFacts } from "../../cluster/vdis.ts";
import { realClock } from "../../sys/clock.ts";
import { escapeName, escapeTag } from "../../tree/names.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { oidText } from "../../wire/oid.ts";
import { withCluster } from "./cluster.ts";
import { operation } from "./core.ts";
import { namedVdi } from "./named.ts";

/** One thing that is wrong with an object, as `--json` prints it. */
export interface DamageJson {
  /** `inode`, `data`, `ledger` (which counts the references to data), `index` or `vmstate`. */
  readonly object: string;
  /** Of data and of its ledger. */
  readonly block: number | null;
  readonly oid: string;
  readonly what: Damage["what"];
  /** Null when it cannot be said of one node. */
  readonly node: string | null;
  readonly text: string;
}

export interface CheckedVdiJson extends Checked {
  /** NAME, or NAME@TAG. */
  readonly name: string;
  readonly vid: string;
  /** As many as are told one by one. */
  readonly damages: readonly DamageJson[];
}

/** Who wants a check, and hears how far it is. */
export interface CheckHooks {
  /** @throws cancelled */
  readonly wanted: () => void;
  readonly tell: (progress: Progress) => void;
}

/** @param written NAME, NAME@TAG or NAME@ID */
export async function checkNamedVdi(
  gateways: readonly Address[],
  written: string,
  hooks: CheckHooks,
): Promise<CheckedVdiJson> {
  return await withCluster(gateways, async (caller, scope) => {
    const { header } = await namedVdi(caller, written, scope);
    return await checkOne(caller, header, hooks);
  });
}

/** @throws not_found when it is deleted meanwhile: the damage goes to the others that have it then */
export async function checkOne(
  caller: SheepCaller,
  header: InodeHeader,
  { wanted, tell }: CheckHooks,
  seen: SeenObjects | null = null,
): Promise<CheckedVdiJson> {
  const damages: DamageJson[] = [];
  const damaged: SetSlot[] = [];
  const facts = await vdiFacts(caller, header.vid, operation());
  const blocks = (facts?.ownBlocks ?? 0) + (facts?.sharedBlocks ?? 0);
  const totalBytes = blocks * objectBytesOf(header);
  let doneBytes = 0;
  const ports: CheckPorts = {
    ...{ caller, clock: realClock, scope: operation, wanted },
    isKnown: (slot) => seen?.has(slot) ?? false,
    looked: (slot, isDamaged) => {
      seen?.add(slot);
      if (isDamaged && seen !== null) damaged.push(slot);
    },
    checked: ({ bytes }) => {
      doneBytes += bytes;
      tell({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
    },
    damaged: (damage) => {
      if (damages.length < limits.checkDamagesMax) damages.push(damageJson(damage));
    },
  };
  try {
    const checked = await checkVdi(ports, header);
    damages.sort((a, b) => (a.block ?? -1) - (b.block ?? -1));
    return { name: titleOf(header), vid: hexVid(header.vid), ...checked, damages };
  } catch (thrown) {
    for (const slot of damaged) seen?.remove(slot);
    throw thrown;
  }
}

/** Objects that were looked at, when many VDIs are that share them: some bits for each. */
export class SeenObjects {
  readonly #blocks = new Map<number, NumberSet>();

  has({ owner, block }: SetSlot): boolean {
    return this.#blocks.get(owner)?.has(block) ?? false;
  }

  add({ owner, block }: SetSlot): void {
    const known = this.#blocks.get(owner) ?? new NumberSet();
    this.#blocks.set(owner, known);
    known.add(block);
  }

  remove({ owner, block }: SetSlot): void {
    this.#blocks.get(owner)?.delete(block);
  }
}

function damageJson({ oid, what, node, text }: Damage): DamageJson {
  const block = oid.kind === "data" || oid.kind === "ledger" ? oid.index : null;
  return { object: oid.kind, block, oid: oidText(oid), what, node, text };
}

/** As it is named on a command line. */
export function titleOf({ name, tag, snapId, isSnapshot }: InodeHeader): string {
  if (!isSnapshot) return escapeName(name);
  return `${escapeName(name)}@${tag.length > 0 ? escapeTag(tag) : snapId}`;
}
