import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { VolumeCore } from "./core.ts";
import { callObject } from "./object-call.ts";
import { lockUnitBytes } from "./plan.ts";

/**
 * Waits until the object is gone whose slot was cleared. The sheep answers a slot write first and
 * removes the object later, whatever lies in it by then: a block that is written again too early
 * would lose what was written.
 * Source: protocol §8.5
 * @returns false when it is still there after a while: the slot was not cleared after all, or the
 *   gateway that was to remove the object is gone
 * @throws whatever reading an object can throw
 */
export async function objectRemoved(core: VolumeCore, index: number): Promise<boolean> {
  const { clock, log, store } = core.ports;
  const { vid } = core;
  const { copies, copyPolicy } = core.header;
  const bytes = new Uint8Array(lockUnitBytes);
  const call = {
    kind: "read",
    vid,
    index,
    cowVid: 0,
    copies,
    copyPolicy,
    offset: 0,
    bytes,
  } as const;
  const untilMs = clock.nowMs() + limits.removalWaitMs;
  for (;;) {
    try {
      await callObject(store, call, core.newScope(), () => {});
    } catch (error) {
      if (error instanceof SheepfsError && error.code === "stale") return true;
      throw error;
    }
    if (clock.nowMs() >= untilMs) break;
    await new Promise<void>((resolve) => clock.after(limits.removalPollMs, resolve));
  }
  log.warn(
    `${core.title}: the object of block ${index} was to be removed and is still there after ` +
      `${limits.removalWaitMs / 1000} s`,
  );
  return false;
}
