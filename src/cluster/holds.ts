import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import {
  type AttachRecord,
  attachedElsewhere,
  claimKey,
  encodeRecord,
  type FoundRecord,
  findRecord,
  type HeldLock,
  type Holder,
  holderText,
  recordAt,
  recordKey,
  recordText,
} from "./attach-record.ts";
import {
  type AttributePlace,
  createAttribute,
  removeAttribute,
  writeAttribute,
} from "./attributes.ts";
import { clusterHasLocks } from "./info.ts";
import { busy, gatewaysText, lockOwner, lockVdi, releaseVdi } from "./locks.ts";
import { nameText } from "./name.ts";
import { refuseHalfImport } from "./vdi-mark.ts";

/** What holding VDIs needs of the outside. */
export interface HoldPorts {
  readonly caller: SheepCaller;
  readonly clock: Clock;
  readonly log: Logger;
  readonly self: Holder;
  /** Whether that one is known to have ended; never true for one that might run. */
  readonly isGone: (holder: Holder) => boolean;
  /** It is an import, which may write what another one has left. */
  readonly imports?: boolean;
}

/** A VDI that is ours alone to write, as far as the others ask. */
export class VdiHold {
  readonly #ports: HoldPorts;
  readonly #name: Uint8Array;
  readonly #hasLocks: boolean;
  #place: AttributePlace;
  #record: AttachRecord;
  #checkedMs: number;
  #lockCheckedMs: number;
  #checking: Promise<string | null> | null = null;
  #lost = false;
  #released = false;

  constructor(ports: HoldPorts, what: Holding) {
    this.#ports = ports;
    this.#name = what.name;
    this.#hasLocks = what.hasLocks;
    this.#place = what.place;
    this.#record = what.record;
    this.#checkedMs = ports.clock.nowMs();
    this.#lockCheckedMs = this.#checkedMs;
  }

  /** The vid whose lock in the cluster is ours; null in a cluster without locks. */
  get lockedVid(): number | null {
    return this.#record.lock?.vid ?? null;
  }

  /**
   * Looks, when it is time, whether the VDI is still ours; `vid` is what it is now. After a snapshot
   * the lock moves on to it, and what was lost with the cluster's memory is taken again.
   * @returns null, or why it is no longer ours: whoever wrote until now must stop
   */
  check(vid: number, scope: Scope): Promise<string | null> {
    if (this.#released) return Promise.resolve(null);
    this.#checking ??= this.#check(vid, scope).finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  /** Gives back what is still ours; all is tried. */
  async release(scope: Scope): Promise<void> {
    const { caller } = this.#ports;
    this.#released = true;
    // A look under way would find the record gone and write it anew.
    await this.#checking?.catch(() => {});
    const steps = [() => removeOwn(this.#ports, this.#name, this.#place, scope)];
    const { lock } = this.#record;
    if (lock !== null && !this.#lost) steps.unshift(() => releaseVdi(caller, lock.vid, scope));
    const ends = [];
    for (const step of steps) ends.push(...(await Promise.allSettled([step()])));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  /**
   * Takes the lock in the cluster, or goes on with the one of a holder that is gone.
   * @throws busy naming the holder
   */
  async lock(before: HeldLock | null, scope: Scope): Promise<void> {
    const { caller } = this.#ports;
    const { vid, taken } = await lockVdi(caller, this.#name, scope);
    const owner = await lockOwner(caller, vid, scope);
    const gateway = owner === null ? "" : gatewaysText(owner);
    const inherited = before !== null && before.vid === vid && before.gateway === gateway;
    if (taken !== "now" && !inherited) throw await busy(caller, { name: this.#name, vid, scope });
    await this.#write({ ...this.#record, lock: { vid, gateway } }, scope);
    if (before !== null && before.vid !== vid) await this.#releaseOld(before, scope);
  }

  async #check(vid: number, scope: Scope): Promise<string | null> {
    const nowMs = this.#ports.clock.nowMs();
    const moved = this.#hasLocks && this.lockedVid !== vid;
    if (!moved && nowMs - this.#checkedMs < limits.holdCheckMs) return null;
    let lost = await this.#checkRecord(scope);
    if (lost === null && (moved || nowMs - this.#lockCheckedMs >= limits.lockCheckMs)) {
      lost = this.#hasLocks ? await this.#checkLock(vid, scope) : null;
      this.#lockCheckedMs = nowMs;
    }
    this.#checkedMs = nowMs;
    if (lost !== null) this.#lost = true;
    return lost;
  }

  async #checkRecord(scope: Scope): Promise<string | null> {
    const { caller, log, self } = this.#ports;
    let found = await recordAt(caller, this.#name, this.#place, scope);
    if (found === null) {
      const value = encodeRecord(this.#record);
      const name = { vdi: this.#name, key: recordKey };
      const place = await createAttribute(caller, name, value, scope);
      if (place !== null) {
        this.#place = place;
        log.warn(`the attach record of VDI '${nameText(this.#name)}' was gone and is written anew`);
        return null;
      }
      found = await findRecord(caller, this.#name, scope);
      // Somebody's that was there for a moment: the next look decides.
      if (found === null) return null;
      this.#place = found.place;
    }
    const broken = found.record?.brokenBy ?? null;
    if (found.record?.holder.instance !== self.instance) {
      return `was taken away: it is attached by ${holderText(found)} now`;
    }
    if (broken !== null) return `was taken away by ${broken} ('sheepfs vdi lock break')`;
    if (found.text !== recordText(this.#record)) await this.#write(this.#record, scope);
    return null;
  }

  async #checkLock(vid: number, scope: Scope): Promise<string | null> {
    const { caller, log } = this.#ports;
    const { lock } = this.#record;
    const owner = await lockOwner(caller, vid, scope);
    if (owner !== null) {
      const gateway = gatewaysText(owner);
      if (lock?.vid === vid && lock.gateway === gateway) return null;
      return `is locked by a client of ${gateway} now`;
    }
    const now = await lockVdi(caller, this.#name, scope);
    if (now.vid !== vid) {
      // The name means another VDI already; the next look at ours shows it.
      if (now.taken === "now") await releaseVdi(caller, now.vid, scope);
      return null;
    }
    const taker = await lockOwner(caller, vid, scope);
    const gateway = taker === null ? "" : gatewaysText(taker);
    // Nobody had it a moment ago: when the answer was lost, it was ours.
    if (now.taken === "before") return `is locked by a client of ${gateway} now`;
    if (lock?.vid === vid) {
      log.warn(`the lock of VDI '${nameText(this.#name)}' was lost and is taken again`);
    }
    await this.#write({ ...this.#record, lock: { vid, gateway } }, scope);
    if (lock !== null && lock.vid !== vid) await this.#releaseOld(lock, scope);
    return null;
  }

  async #write(record: AttachRecord, scope: Scope): Promise<void> {
    // First: what fails to be written is written with the next look.
    this.#record = record;
    await overwrite(this.#ports.caller, this.#name, this.#place, record, scope);
  }

  /** Of the VDI before a snapshot, where a lock stays; somebody else's is left alone. */
  async #releaseOld({ vid, gateway }: HeldLock, scope: Scope): Promise<void> {
    const { caller } = this.#ports;
    const owner = await lockOwner(caller, vid, scope);
    if (owner !== null && gatewaysText(owner) === gateway) await releaseVdi(caller, vid, scope);
  }
}

interface Holding {
  readonly name: Uint8Array;
  readonly hasLocks: boolean;
  readonly place: AttributePlace;
  readonly record: AttachRecord;
}

/**
 * Makes the working VDI of that name ours alone to write: by a record in the cluster that all of us
 * look at, and by the lock that other clients look at, where the cluster has locks. Both stay until
 * they are given back; those of a holder that is known to be gone are taken over.
 * @throws busy naming the holder | not_found | …
 */
export async function holdVdi(ports: HoldPorts, name: Uint8Array, scope: Scope): Promise<VdiHold> {
  const hasLocks = await clusterHasLocks(ports.caller, scope);
  const { place, record, before } = await takeRecord(ports, name, scope);
  const hold = new VdiHold(ports, { name, hasLocks, place, record });
  try {
    if (hasLocks) await hold.lock(before?.lock ?? null, scope);
  } catch (thrown) {
    await removeOwn(ports, name, place, scope).catch((also: unknown) => {
      const { message } = asSheepfsError(also);
      ports.log.error(`the attach record of VDI '${nameText(name)}' stays: ${message}`);
    });
    throw thrown;
  }
  await refuseHalf(ports, { name, hold }, scope);
  return hold;
}

/** After it is ours: what was taken over of one that was killed is given back too. @throws busy */
async function refuseHalf(
  { caller, log, imports }: HoldPorts,
  { name, hold }: { readonly name: Uint8Array; readonly hold: VdiHold },
  scope: Scope,
): Promise<void> {
  if (imports === true) return;
  try {
    await refuseHalfImport(caller, name, scope);
  } catch (thrown) {
    await hold.release(scope).catch((also: unknown) => {
      log.error(`VDI '${nameText(name)}' stays attached: ${asSheepfsError(also).message}`);
    });
    throw thrown;
  }
}

interface TakenRecord {
  readonly place: AttributePlace;
  readonly record: AttachRecord;
  /** Of whom it was taken over. */
  readonly before: AttachRecord | null;
}

async function takeRecord(ports: HoldPorts, vdi: Uint8Array, scope: Scope): Promise<TakenRecord> {
  const { caller, clock, self } = ports;
  const record = { holder: self, sinceMs: clock.wallMs(), lock: null, brokenBy: null };
  for (let look = 0; look < limits.vdiLooksMax; look += 1) {
    const place = await createOwn(ports, vdi, record, scope);
    if (place !== null) return { place, record, before: null };
    const found = await findRecord(caller, vdi, scope);
    if (found === null) continue;
    const before = found.record;
    const own = before !== null && before.holder.instance === self.instance;
    const free =
      before !== null && before.brokenBy === null && (own || ports.isGone(before.holder));
    if (!free) throw attachedElsewhere(vdi, found);
    const next = { ...record, lock: before.lock };
    if (own) await overwrite(caller, vdi, found.place, next, scope);
    else if (!(await takeOver(ports, vdi, { found, next }, scope))) continue;
    return { place: found.place, record: next, before };
  }
  throw new SheepfsError("busy", `VDI '${nameText(vdi)}' is just changing hands; try again`);
}

/** Null when there is one, which may be ours when the answer was lost. */
async function createOwn(
  { caller }: HoldPorts,
  vdi: Uint8Array,
  record: AttachRecord,
  scope: Scope,
): Promise<AttributePlace | null> {
  try {
    return await createAttribute(caller, { vdi, key: recordKey }, encodeRecord(record), scope);
  } catch (thrown) {
    if (asSheepfsError(thrown).inDoubt) return null;
    throw thrown;
  }
}

/**
 * Puts our record in place of that of a holder that is gone. Of several who want to, the one that
 * makes the claim may, when nothing has changed meanwhile.
 * @returns false when something has
 */
async function takeOver(
  ports: HoldPorts,
  vdi: Uint8Array,
  { found, next }: { readonly found: FoundRecord; readonly next: AttachRecord },
  scope: Scope,
): Promise<boolean> {
  const { caller, clock, log, self } = ports;
  const claim = await createAttribute(caller, { vdi, key: claimKey }, encodeRecord(next), scope);
  if (claim === null) {
    const name = nameText(vdi);
    const advice = `try again, or, when that does not end: sheepfs vdi lock break '${name}'`;
    throw new SheepfsError("busy", `VDI '${name}' is just being taken over by another; ${advice}`);
  }
  try {
    const now = await recordAt(caller, vdi, found.place, scope);
    if (now?.text !== found.text) return false;
    await overwrite(caller, vdi, found.place, next, scope);
  } finally {
    await removeAttribute(caller, claim, scope);
  }
  log.warn(`VDI '${nameText(vdi)}' was left attached by ${holderText(found)}, which is gone`);
  // What it had sent may still be on its way, and is not to land on what is written from now on.
  if (found.record?.holder.bootId === self.bootId) {
    await new Promise<void>((resolve) => clock.after(limits.exclusionMs, resolve));
  }
  return true;
}

async function overwrite(
  caller: SheepCaller,
  vdi: Uint8Array,
  place: AttributePlace,
  record: AttachRecord,
  scope: Scope,
): Promise<void> {
  await writeAttribute(caller, { vdi, key: recordKey }, place, encodeRecord(record), scope);
}

/** One that is another's by now is left alone. */
async function removeOwn(
  { caller, self }: HoldPorts,
  vdi: Uint8Array,
  place: AttributePlace,
  scope: Scope,
): Promise<void> {
  const found = await recordAt(caller, vdi, place, scope);
  if (found?.record?.holder.instance !== self.instance) return;
  await removeAttribute(caller, place, scope);
}
