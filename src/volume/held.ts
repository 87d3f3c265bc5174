import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { impatient } from "../base/waiting.ts";
import type { Volume } from "./volume.ts";

/**
 * Does `work` while nothing is written to any of the volumes: whatever was acknowledged until then is
 * in the cluster, and whatever is acknowledged later is sent later. Then they go on, in their new
 * working VDIs when `work` has made snapshots.
 * @param work is given `limits.writesHeldMs` at most
 * @throws timed_out | cancelled | what a flush throws, and nothing was done | whatever `work` throws
 */
export async function whileHeld<T>(
  volumes: readonly Volume[],
  work: (scope: Scope) => Promise<T>,
  clock: Clock,
  scope: Scope,
): Promise<T> {
  // What takes long is done while they still write.
  await Promise.all(volumes.map((volume) => volume.flush(scope)));
  const within = impatient(scope, clock, limits.writesHeldMs);
  const holds = await Promise.allSettled(volumes.map((volume) => volume.holdWrites(within)));
  const held = volumes.filter((_, at) => holds[at]?.status === "fulfilled");
  try {
    for (const hold of holds) if (hold.status === "rejected") throw hold.reason;
    return await work(within);
  } finally {
    const own = deadlineScope(clock, limits.writesHeldMs);
    await Promise.all(held.map((volume) => volume.releaseWrites(own)));
  }
}
