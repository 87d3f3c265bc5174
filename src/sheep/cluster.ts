import type { Logger } from "../base/log.ts";
import { clusterFlag } from "../wire/cluster.ts";
import { vidBitmapBytes } from "../wire/vdi.ts";
import type { ClusterFacts } from "./folder.ts";
import { Locks } from "./locks.ts";
import { metaKinds } from "./record.ts";
import { Store, type StorePorts } from "./store.ts";
import { factsBytes, Vdis } from "./vdis.ts";

/** The bitmap of deleted vids is one file. */
export const deletedName = { kind: metaKinds.deleted, vid: 0, index: 0 } as const;

export function inodeName(vid: number) {
  return { kind: metaKinds.inode, vid, index: 0 } as const;
}

/** A formatted cluster of one node. */
export class Cluster {
  readonly facts: ClusterFacts;
  readonly store: Store;
  readonly vdis: Vdis;
  readonly locks = new Locks();
  readonly ports: StorePorts;

  private constructor(facts: ClusterFacts, store: Store, vdis: Vdis, ports: StorePorts) {
    this.facts = facts;
    this.store = store;
    this.vdis = vdis;
    this.ports = ports;
  }

  static async open(dir: string, facts: ClusterFacts, ports: StorePorts): Promise<Cluster> {
    const store = await Store.open(dir, ports);
    const deleted = new Uint8Array(vidBitmapBytes);
    store.meta.read(deletedName, deleted, 0, deleted.length, 0);
    const vdis = new Vdis(deleted);
    for (const vid of store.meta.inodesOnDisk()) {
      const head = new Uint8Array(factsBytes);
      store.meta.read(inodeName(vid), head, 0, factsBytes, 0);
      vdis.add(vid, head);
    }
    vdis.markParents();
    return new Cluster(facts, store, vdis, ports);
  }

  get log(): Logger {
    return this.ports.log;
  }

  get usesLocks(): boolean {
    return (this.facts.flags & clusterFlag.lock) !== 0;
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}
