import type { TestCluster } from "../support/cluster.ts";
import { must } from "../support/process.ts";

export const faults = ["kill", "stop", "partition", "sheepfs"] as const;
export type Fault = (typeof faults)[number];

/** What is broken, and mended again. */
export interface Breakage {
  readonly fault: Fault;
  readonly cycle: number;
  /** HOST:PORT of the gateway in use. */
  readonly gateway: string;
}

/** A cluster whose parts can be broken and mended. */
export interface FaultSite extends AsyncDisposable {
  readonly cluster: TestCluster;
  /** What it is, for the table. */
  readonly about: string;
  /** Breaks the gateway in use, or the way to it. */
  break(breakage: Breakage): Promise<void>;
  /** Mends it; when it returns the next one may be broken. */
  mend(breakage: Breakage): Promise<void>;
}

/**
 * A cluster that somebody else has started, with the commands that break and mend it. They run in a
 * shell, with the number of the cycle in `CYCLE` and the gateway in use as HOST:PORT in `GATEWAY`;
 * after `mend` the next cycle may begin, so it waits until the cluster has recovered.
 */
export class CommandSite implements FaultSite {
  readonly cluster: TestCluster;
  readonly about: string;
  readonly #commands: { readonly break: string; readonly mend: string };

  constructor(cluster: TestCluster, commands: { readonly break: string; readonly mend: string }) {
    this.cluster = cluster;
    this.about = cluster.address;
    this.#commands = commands;
  }

  async break(breakage: Breakage): Promise<void> {
    await this.#run(this.#commands.break, breakage);
  }

  async mend(breakage: Breakage): Promise<void> {
    await this.#run(this.#commands.mend, breakage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  async #run(command: string, { cycle, gateway }: Breakage): Promise<void> {
    const env = { CYCLE: String(cycle), GATEWAY: gateway };
    await must(["sh", "-c", command], { env, deadlineMs: commandDeadlineMs });
  }
}

/** A cluster may recover for a while. */
const commandDeadlineMs = 300_000;
