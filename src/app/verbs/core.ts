import type { Address } from "../../base/address.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { silentLogger } from "../../base/log.ts";
import { deadlineScope, type Scope } from "../../base/scope.ts";
import { realClock } from "../../sys/clock.ts";
import { attachNamed } from "../../tree/entries/attaching.ts";
import { escapeName, unescapeName } from "../../tree/names.ts";
import type { Volume } from "../../volume/volume.ts";
import { type Core, openCore } from "../core.ts";
import { newHolder } from "../self.ts";

/** For one request of a command, which as a whole may take as long as it does. */
export function operation(): Scope {
  return deadlineScope(realClock, limits.operationTimeoutMs);
}

/** A tree with its volumes for one command; what is attached is detached again. */
export async function withCore<T>(
  gateways: readonly Address[],
  readOnly: boolean,
  work: (core: Core) => Promise<T>,
  { imports = false }: { readonly imports?: boolean } = {},
): Promise<T> {
  const core = await openCore(
    {
      ...{ gateways, readOnly, objectCache: false, pageCache: false, scratch: false },
      wants: "much",
      ...{ log: silentLogger, timeoutMs: limits.operationTimeoutMs, self: newHolder(), attach: [] },
      imports,
    },
    operation(),
  );
  try {
    return await work(core);
  } finally {
    await core.close(operation());
  }
}

/** The volume of NAME, NAME@TAG or NAME@ID, attached as long as the command runs. */
export async function openNamed(core: Core, name: string): Promise<Volume> {
  const line = new TextEncoder().encode(name);
  return (await attachNamed(core.volumes, line, operation())).volume;
}

/**
 * Makes a snapshot of what `openNamed` gave, while nobody else can write it.
 * @throws stale when it was taken away from us
 */
export async function tagOpened(core: Core, volume: Volume, tag: string): Promise<void> {
  // Looked for by its name it could be attached anew, with what others have written.
  const attached = core.volumes.list().find((one) => one.volume === volume);
  if (attached === undefined) {
    const title = escapeName(volume.header.name);
    throw volume.failure ?? new SheepfsError("stale", `'${title}' was detached`);
  }
  await core.snapshot(attached, unescapeName(tag), operation());
}
