import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { cloneVdi } from "../cluster/clone-vdi.ts";
import { createVdi } from "../cluster/create-vdi.ts";
import { deleteVdi } from "../cluster/delete-vdi.ts";
import { growVdi } from "../cluster/grow-vdi.ts";
import { type HoldPorts, holdVdi } from "../cluster/holds.ts";
import { clusterInfo } from "../cluster/info.ts";
import { clusterSpace, listNodes, nodeSpaces } from "../cluster/nodes.ts";
import { retagSnapshot } from "../cluster/retag-snapshot.ts";
import { listHeaders, listVdis, vdiFacts } from "../cluster/vdis.ts";
import type { VdiLife } from "../tree/entries/life.ts";
import type { ClusterFacts } from "../tree/entries/root.ts";
import type { VdiHolds } from "../volume/attach.ts";
import { OneByOne } from "./one-by-one.ts";
import { type SnapshotPorts, snapshotTogether } from "./snapshots.ts";

/** What the tree shows, asked of the cluster behind `caller`. */
export function clusterFacts(caller: SheepCaller): ClusterFacts {
  return {
    info: (scope) => clusterInfo(caller, scope),
    vdis: (scope) => listVdis(caller, scope),
    headers: (scope, known) => listHeaders(caller, scope, known),
    vdi: (vid, scope) => vdiFacts(caller, vid, scope),
    nodes: async (scope) => (await listNodes(caller, scope)).nodes,
    nodeSpaces: (scope) => nodeSpaces(caller, scope),
    space: (scope) => clusterSpace(caller, scope),
  };
}

export function vdiHolds(ports: HoldPorts): VdiHolds {
  return { hold: (name, scope) => holdVdi(ports, name, scope) };
}

/** What a tree does with VDIs. */
export function vdiLife(ports: SnapshotPorts): VdiLife {
  const { caller, clock } = ports;
  const turns = new OneByOne(clock);
  // Two at once on one name would race: of two snapshots, the second rolls the VDI back to the first.
  const inTurn = async (
    name: Uint8Array,
    scope: Scope,
    work: () => Promise<unknown>,
  ): Promise<void> => {
    await turns.take(Buffer.from(name).toString("latin1"), work, scope);
  };
  // Always in the same order: else two groups could wait for each other.
  const inTurns = (
    [first, ...others]: readonly Uint8Array[],
    scope: Scope,
    work: () => Promise<unknown>,
  ): Promise<unknown> =>
    first === undefined ? work() : inTurn(first, scope, () => inTurns(others, scope, work));
  return {
    check: () => {},
    create: (name, sizeBytes, scope) => {
      const wish = { name, sizeBytes, objectBytes: null, copies: null };
      return inTurn(name, scope, () => createVdi(caller, wish, scope));
    },
    grow: (name, sizeBytes, scope) =>
      inTurn(name, scope, () => growVdi(caller, name, sizeBytes, scope)),
    delete: (which, scope) => inTurn(which.name, scope, () => deleteVdi(ports, which, scope)),
    snapshot: async (names, tag, scope) => {
      const order = names.toSorted(Buffer.compare).filter(isAnother);
      await inTurns(order, scope, () => snapshotTogether(ports, { names, tag }, scope));
    },
    retag: (snapshot, tag, scope) =>
      inTurn(snapshot.name, scope, () => retagSnapshot(caller, snapshot, tag, scope)),
    clone: (source, name, scope) =>
      inTurn(source.name, scope, () => cloneVdi(caller, source, name, scope)),
  };
}

/** A name that stands twice has one turn. */
function isAnother(name: Uint8Array, at: number, sorted: readonly Uint8Array[]): boolean {
  const before = sorted[at - 1];
  return before === undefined || Buffer.compare(before, name) !== 0;
}

/** The same where nothing may be changed. */
export const noVdiLife: VdiLife = {
  check: refuse,
  create: async () => refuse(),
  grow: async () => refuse(),
  delete: async () => refuse(),
  snapshot: async () => refuse(),
  retag: async () => refuse(),
  clone: async () => refuse(),
};

function refuse(): never {
  throw new SheepfsError("read_only", "the tree is for reading only (--read-only, -o ro)");
}
