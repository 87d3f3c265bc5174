import type { Scope } from "../../base/scope.ts";
import type { VdiNameLike } from "../../cluster/name.ts";
import type { VdiFacts } from "../../cluster/vdis.ts";

/** What an inode says of its VDI. */
export type VdiHeader = VdiFacts["header"];

/**
 * What can be done with VDIs; the functions of `cluster/` with a client bound to them. Without it
 * everything is for reading only.
 */
export interface VdiLife {
  /** @throws read_only where nothing may be changed */
  check(): void;
  create(name: Uint8Array, sizeBytes: number, scope: Scope): Promise<void>;
  grow(name: Uint8Array, sizeBytes: number, scope: Scope): Promise<void>;
  delete(name: VdiNameLike, scope: Scope): Promise<void>;
  /** Of all of them at one moment; of those attached here, writes are held back meanwhile. */
  snapshot(names: readonly Uint8Array[], tag: Uint8Array, scope: Scope): Promise<void>;
  retag(snapshot: VdiNameLike, tag: Uint8Array, scope: Scope): Promise<void>;
  clone(source: VdiNameLike, name: Uint8Array, scope: Scope): Promise<void>;
}

/** The same, and whatever came of it `changed` is called: what is shown of VDIs may be out of date. */
export function announced(life: VdiLife, changed: () => void): VdiLife {
  const then = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } finally {
      changed();
    }
  };
  return {
    check: () => life.check(),
    create: (name, sizeBytes, scope) => then(life.create(name, sizeBytes, scope)),
    grow: (name, sizeBytes, scope) => then(life.grow(name, sizeBytes, scope)),
    delete: (name, scope) => then(life.delete(name, scope)),
    snapshot: (names, tag, scope) => then(life.snapshot(names, tag, scope)),
    retag: (snapshot, tag, scope) => then(life.retag(snapshot, tag, scope)),
    clone: (source, name, scope) => then(life.clone(source, name, scope)),
  };
}
