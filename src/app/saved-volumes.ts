import { asSheepfsError, type ErrorCode, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { realClock } from "../sys/clock.ts";
import type { AttachedVolume } from "../volume/attached.ts";
import type { InodeHeader, WireTime } from "../wire/inode.ts";
import type { Core } from "./core.ts";
import type { SavedVolume } from "./notes.ts";

/** Between two attempts to attach while the cluster does not answer. */
const retryMs = 200;

/** What another attempt may mend. */
const passing: ReadonlySet<ErrorCode> = new Set(["unavailable", "not_ready", "timed_out"]);

export function savedVolume({ title, name, volume }: AttachedVolume): SavedVolume {
  const { vid, createTime } = volume.header;
  return { title, name, vid, createTime };
}

/**
 * Attaches what a predecessor had attached. A VDI that is another one by now is not: what is open of
 * the old one must not be written into it.
 */
export async function attachAgain(
  core: Core,
  volumes: readonly SavedVolume[],
  { log, timeoutMs }: { readonly log: Logger; readonly timeoutMs: number },
): Promise<void> {
  // Programs wait meanwhile; what is not attached again is lost to them.
  const scope = deadlineScope(realClock, Math.max(limits.operationTimeoutMs, timeoutMs));
  await Promise.all(
    volumes.map(async (saved) => {
      try {
        await attachOne(core, saved, scope);
      } catch (thrown) {
        log.error(`'${saved.title}' could not be attached again`, asSheepfsError(thrown));
      }
    }),
  );
}

async function attachOne(core: Core, saved: SavedVolume, scope: Scope): Promise<void> {
  const { title, name } = saved;
  for (;;) {
    try {
      const { volume } = await core.volumes.attach({ name, title }, scope);
      if (await descends(core, volume.header, saved, scope)) return;
      break;
    } catch (thrown) {
      if (!passing.has(asSheepfsError(thrown).code) || scope.deadlineMs <= realClock.nowMs()) {
        throw thrown;
      }
      await Bun.sleep(retryMs);
    }
  }
  await core.volumes.detach(title, scope);
  const text = "its name means another VDI than before this server was started";
  throw new SheepfsError("stale", `${text}; what was open of it fails`);
}

/** Whether it is the VDI of before, or what snapshots have made of it since. */
async function descends(
  core: Core,
  now: InodeHeader,
  before: SavedVolume,
  scope: Scope,
): Promise<boolean> {
  let header = now;
  for (let hop = 0; hop < limits.snapshotChainMax; hop += 1) {
    if (header.vid === before.vid) return sameTime(header.createTime, before.createTime);
    if (before.name.snapshot !== null || header.parentVid === 0) return false;
    header = await core.header(header.parentVid, scope);
  }
  return false;
}

function sameTime(a: WireTime, b: WireTime): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}
