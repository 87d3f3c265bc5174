import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import { attachedElsewhere, findRecord, type Holder, recordAt } from "./attach-record.ts";
import { removeAttribute } from "./attributes.ts";
import { type HoldPorts, holdVdi } from "./holds.ts";
import { gatewaysText, lockOwner, releaseVdi } from "./locks.ts";
import { nameText } from "./name.ts";
import { resolveVdi } from "./resolve.ts";

const whyBytesMax = 255;

/**
 * Keeps everybody from attaching a VDI for writing until `unlockByHand`, whatever becomes of the
 * process that asks for it.
 * @throws busy naming who has it | not_found | invalid for the reason | …
 */
export async function lockByHand(
  ports: HoldPorts,
  { name, why }: { readonly name: Uint8Array; readonly why: string },
  scope: Scope,
): Promise<void> {
  if (new TextEncoder().encode(why).length > whyBytesMax || /\p{Cc}/u.test(why)) {
    const text = `a reason is one line of ${whyBytesMax} bytes at most, without control characters`;
    throw new SheepfsError("invalid", text);
  }
  // Without a boot it is nobody who could be seen to have ended.
  const self: Holder = { ...ports.self, bootId: "", pid: 0, startTicks: 0, byHand: why };
  await holdVdi({ ...ports, self }, name, scope);
}

/** @throws invalid when it is not locked by hand | busy when it is attached | not_found | … */
export async function unlockByHand(
  { caller }: Pick<HoldPorts, "caller">,
  name: Uint8Array,
  scope: Scope,
): Promise<void> {
  await resolveVdi(caller, { name, snapshot: null }, scope);
  const found = await findRecord(caller, name, scope);
  if (found === null) {
    throw new SheepfsError("invalid", `VDI '${nameText(name)}' is not locked by hand`);
  }
  const { place, record } = found;
  if (record?.holder.byHand === undefined) throw attachedElsewhere(name, found);
  // It may have been broken and be somebody else's by now.
  const now = await recordAt(caller, name, place, scope);
  if (now?.text !== found.text) throw new SheepfsError("busy", changed(name));
  const { lock } = record;
  if (lock !== null) {
    const owner = await lockOwner(caller, lock.vid, scope);
    const isOurs = owner !== null && gatewaysText(owner) === lock.gateway;
    if (isOurs) await releaseVdi(caller, lock.vid, scope);
  }
  await removeAttribute(caller, place, scope);
}

function changed(name: Uint8Array): string {
  return `VDI '${nameText(name)}' is just changing hands; see 'sheepfs vdi lock show' and try again`;
}
