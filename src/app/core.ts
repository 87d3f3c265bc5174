import { formatAddress } from "../base/address.ts";
import { asSheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import type { SheepClient } from "../client/client.ts";
import type { Holder } from "../cluster/attach-record.ts";
import { clusterInfo } from "../cluster/info.ts";
import { readHeader } from "../cluster/inode.ts";
import { resolveVdi } from "../cluster/resolve.ts";
import { realClock } from "../sys/clock.ts";
import type { Reactor } from "../sys/reactor.ts";
import { attachNamed } from "../tree/entries/attaching.ts";
import { buildTree } from "../tree/entries/root.ts";
import type { Tree } from "../tree/node.ts";
import { AttachedVolumes } from "../volume/attach.ts";
import type { AttachedVolume } from "../volume/attached.ts";
import type { VdiName } from "../volume/ports.ts";
import { SliceCache } from "../volume/slice-cache.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import { clusterFacts, noVdiLife, vdiHolds, vdiLife } from "./facts.ts";
import type { SavedConfig } from "./notes.ts";
import { isGone, newHolder } from "./self.ts";
import { snapshotAttached } from "./snapshots.ts";

export interface CoreOptions extends ConnectOptions {
  readonly readOnly: boolean;
  readonly pageCache: boolean;
  /** How long what volumes do by themselves waits for the cluster; Infinity: for ever. */
  readonly timeoutMs: number;
  readonly scratch: boolean;
  /** Who attaches, as others see it; a successor is given that of its predecessor. */
  readonly self: Holder;
  /** Names of VDIs to attach at once, as `vdi/mount` takes them. */
  readonly attach: readonly string[];
  /** It is an import: nobody else attaches what one has left. */
  readonly imports?: boolean;
}

/** A cluster as a tree, without any way to reach it: what every frontend is started with. */
export interface Core {
  readonly tree: Tree;
  readonly volumes: AttachedVolumes;
  readonly reactor: Reactor;
  /** What can be set, as it is now. */
  config(): SavedConfig;
  /** Sheep that may have writes which were not answered, as they are written. */
  sheepInUse(): readonly string[];
  /** Calls `fn` before anything is sent to a further sheep. */
  onSheepInUse(fn: () => void): void;
  header(vid: number, scope: Scope): Promise<InodeHeader>;
  /** See `snapshotAttached`. */
  snapshot(volume: AttachedVolume, tag: Uint8Array, scope: Scope): Promise<void>;
  /** Makes every volume durable, detaches and disconnects; all is tried whatever fails. */
  close(scope: Scope): Promise<void>;
}

/**
 * @param scope null: nothing is asked of the cluster yet, and nothing attached
 * @throws unavailable | not_ready | version when the cluster cannot be used | what attaching can
 */
export async function openCore(options: CoreOptions, scope: Scope | null): Promise<Core> {
  const { log, readOnly, pageCache, scratch } = options;
  const connection = connect(options);
  const { client, reactor } = connection;
  const clock = realClock;
  const holding = { caller: client, clock, log, isGone };
  const volumes = volumesOf(options, client);
  // With a volume attached, another cluster's objects would be written in its name.
  client.mayChangeCluster = () => volumes.empty;
  const facts = clusterFacts(client);
  const switches = { pageCache: { on: pageCache }, scratch };
  const momentary = { ...holding, self: newHolder() };
  const holds = vdiHolds(momentary);
  const snapshots = { ...momentary, volumes, holds };
  const life = readOnly ? noVdiLife : vdiLife(snapshots);
  const tree = buildTree({
    ...{ facts, life },
    volumes,
    config: client,
    status: () => client.status(),
    ...switches,
    clock,
    log,
  });
  const close = async (within: Scope): Promise<void> => {
    try {
      await volumes.detachAll(within);
    } finally {
      await connection[Symbol.asyncDispose]();
    }
  };
  try {
    // A cluster that cannot be used is said before anything is shown of it.
    if (scope !== null) await clusterInfo(client, scope);
    for (const name of options.attach) {
      await attachNamed(volumes, new TextEncoder().encode(name), scope ?? ownScope());
    }
  } catch (thrown) {
    await close(ownScope()).catch((also: unknown) => {
      log.error("not every volume could be detached", asSheepfsError(also));
    });
    throw thrown;
  }
  return {
    ...{ tree, volumes, reactor, close },
    config: () => configOf(client, switches.pageCache.on),
    sheepInUse: () => client.sheepInUse().map(formatAddress),
    onSheepInUse: (fn) => {
      client.usesSheep = fn;
    },
    header: (vid, within) => readHeader(client, vid, within),
    snapshot: (volume, tag, within) => snapshotAttached(snapshots, volume, tag, within),
  };
}

function volumesOf(options: CoreOptions, client: SheepClient): AttachedVolumes {
  const { log, readOnly, timeoutMs, self, imports = false } = options;
  const resolver = {
    resolve: (name: VdiName, scope: Scope) => resolveVdi(client, name, scope),
  };
  const common = { clock: realClock, log };
  return new AttachedVolumes({
    ports: { store: client.store, resolver, timeoutMs, cache: new SliceCache(), ...common },
    holds: vdiHolds({ caller: client, isGone, self, imports, ...common }),
    readOnly,
    cluster: {
      begin: () => client.identify(ownScope()),
      isAnother: () => client.onlyAnotherCluster,
    },
  });
}

function configOf(client: SheepClient, pageCache: boolean): SavedConfig {
  const { gateway, gateways, objectCache } = client;
  // A member that nobody named and that is used now is all that a successor may find.
  const named = gateways.some((one) => formatAddress(one) === formatAddress(gateway));
  return { pageCache, objectCache, gateways: named ? gateways : [...gateways, gateway] };
}

function ownScope(): Scope {
  return deadlineScope(realClock, limits.operationTimeoutMs);
}
