import { rm } from "node:fs/promises";
import { Cluster } from "./cluster.ts";
import { Counters } from "./counters.ts";
import { finishDeletes } from "./delete-vdi.ts";
import type { ClusterFacts, SheepFolder } from "./folder.ts";
import type { StorePorts } from "./store.ts";

/** The one node: its directory, and the cluster in it once that is formatted. */
export class Sheep {
  readonly folder: SheepFolder;
  readonly ports: StorePorts;
  readonly counters = new Counters();
  #cluster: Cluster | null;
  #formatting: Promise<void> = Promise.resolve();

  private constructor(folder: SheepFolder, cluster: Cluster | null, ports: StorePorts) {
    this.folder = folder;
    this.#cluster = cluster;
    this.ports = ports;
  }

  static async open(folder: SheepFolder, ports: StorePorts): Promise<Sheep> {
    const { cluster } = folder;
    const open = cluster === null ? null : await Cluster.open(folder.storeDir, cluster, ports);
    if (open !== null) finishDeletes(open);
    return new Sheep(folder, open, ports);
  }

  /** Null as long as nobody has formatted it. */
  get cluster(): Cluster | null {
    return this.#cluster;
  }

  /** Makes the cluster anew, empty. */
  format(facts: ClusterFacts): Promise<void> {
    // One after the other: each makes the next store.
    this.#formatting = this.#formatting.catch(() => {}).then(() => this.#formatNow(facts));
    return this.#formatting;
  }

  async close(): Promise<void> {
    try {
      await this.#cluster?.close();
    } finally {
      this.folder.close();
    }
  }

  async #formatNow(facts: ClusterFacts): Promise<void> {
    const { folder, ports } = this;
    const old = { cluster: this.#cluster, dir: folder.storeDir };
    const dir = folder.nextStoreDir;
    // What a format that failed has left.
    await rm(dir, { recursive: true, force: true });
    const cluster = await Cluster.open(dir, facts, ports);
    folder.format(facts);
    this.#cluster = cluster;
    await old.cluster?.close();
    await rm(old.dir, { recursive: true, force: true });
  }
}
