import type { Clock } from "../base/clock.ts";
import { asSheepfsError, type SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { CancelScope } from "../base/scope.ts";
import type { VolumeCore } from "./core.ts";
import { callObject } from "./object-call.ts";
import { lockUnitBytes } from "./plan.ts";

/** What became of the object whose slot was cleared. */
export type Removal = "gone" | "left";

/**
 * Waits until the object is gone whose slot was cleared, or nobody removes it any more. The sheep
 * answers a slot write first and removes the object later, whatever lies in it by then: a block that
 * is written again too early would lose what was written.
 * Source: protocol §8.5
 * @param isRemovedOnce that it is gone shows that the removal is over
 * @returns `left`: the slot was not cleared after all, or the gateway that was to remove the object is
 *   gone
 * @throws timed_out when that gateway is silent | whatever reading an object can throw
 */
export async function objectRemoved(
  core: VolumeCore,
  index: number,
  isRemovedOnce: boolean,
): Promise<Removal> {
  const { clock, log, store } = core.ports;
  const beganMs = clock.nowMs();
  const scope = new CancelScope(core.newScope().deadlineMs);
  const proof: { over: boolean; failure: SheepfsError | null } = { over: false, failure: null };
  store.removalsOver(core.clearedAtMs, scope).then(
    () => {
      proof.over = true;
    },
    (thrown: unknown) => {
      proof.failure = asSheepfsError(thrown);
    },
  );
  try {
    for (;;) {
      const { over, failure } = proof;
      if ((isRemovedOnce || over) && (await isGone(core, index))) return "gone";
      if (over) break;
      if (failure !== null) throw failure;
      const isLong = clock.nowMs() - beganMs > limits.removalWaitMs;
      await pause(clock, isLong ? limits.removalLookMs : limits.removalPollMs);
    }
  } finally {
    scope.cancel();
  }
  log.warn(`${core.title}: the object of block ${index} was to be removed, and nobody did`);
  return "left";
}

/** Whether there is no object of ours for the block. */
export async function isGone(core: VolumeCore, index: number): Promise<boolean> {
  const { copies, copyPolicy } = core.header;
  const bytes = new Uint8Array(lockUnitBytes);
  const common = { vid: core.vid, index, cowVid: 0, copies, copyPolicy, offset: 0, bytes };
  try {
    await callObject(core.ports.store, { ...common, kind: "read" }, core.newScope(), () => {});
    return false;
  } catch (thrown) {
    if (asSheepfsError(thrown).code === "stale") return true;
    throw thrown;
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
