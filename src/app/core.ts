import { asSheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { Holder } from "../cluster/attach-record.ts";
import { clusterInfo } from "../cluster/info.ts";
import { resolveVdi } from "../cluster/resolve.ts";
import { realClock } from "../sys/clock.ts";
import type { Reactor } from "../sys/reactor.ts";
import { attachNamed } from "../tree/entries/attaching.ts";
import { buildTree } from "../tree/entries/root.ts";
import type { Tree } from "../tree/node.ts";
import { AttachedVolumes } from "../volume/attach.ts";
import { SliceCache } from "../volume/slice-cache.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import { clusterFacts, noVdiLife, vdiHolds, vdiLife } from "./facts.ts";
import { isGone } from "./self.ts";

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
}

/** A cluster as a tree, without any way to reach it: what every frontend is started with. */
export interface Core {
  readonly tree: Tree;
  readonly volumes: AttachedVolumes;
  readonly reactor: Reactor;
  /** Makes every volume durable, detaches and disconnects; all is tried whatever fails. */
  close(scope: Scope): Promise<void>;
}

/** @throws unavailable | not_ready | version when the cluster cannot be used | what attaching can */
export async function openCore(options: CoreOptions, scope: Scope): Promise<Core> {
  const { log, readOnly, pageCache, scratch } = options;
  const connection = connect(options);
  const { client, reactor } = connection;
  const volumes = new AttachedVolumes({
    ports: {
      store: client.store,
      resolver: { resolve: (name, within) => resolveVdi(client, name, within) },
      clock: realClock,
      log,
      timeoutMs: options.timeoutMs,
      cache: new SliceCache(),
    },
    holds: vdiHolds({ caller: client, clock: realClock, log, self: options.self, isGone }),
    readOnly,
  });
  // With a volume attached, another cluster's objects would be written in its name.
  client.mayChangeCluster = () => volumes.empty;
  const facts = clusterFacts(client);
  const switches = { pageCache, scratch };
  const life = readOnly ? noVdiLife : vdiLife({ caller: client, clock: realClock, isGone });
  const tree = buildTree({
    ...{ facts, life },
    volumes,
    config: client,
    status: () => client.status(),
    ...switches,
    clock: realClock,
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
    await clusterInfo(client, scope);
    for (const name of options.attach) {
      await attachNamed(volumes, new TextEncoder().encode(name), scope);
    }
  } catch (thrown) {
    await close(scope).catch((also: unknown) => {
      log.error("not every volume could be detached", asSheepfsError(also));
    });
    throw thrown;
  }
  return { tree, volumes, reactor, close };
}
