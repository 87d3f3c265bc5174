import { type EmbeddedSheep, startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { must } from "../support/process.ts";
import type { Breakage, FaultSite } from "./site.ts";

const port = 7000;
/** An address that no interface has: what is sent to it is dropped without a word. */
const nobody = "02:00:00:00:00:99";

/** Two ends of one wire: ours, and the sheep's in its namespace. */
interface Wire {
  readonly device: string;
  readonly client: string;
  readonly sheep: string;
}

/**
 * One sheep in a network namespace of its own, reached by two wires: what a client sees is two
 * gateways of one cluster. Killing or stopping the sheep closes both, a partition one of them.
 */
export class EmbeddedSite implements FaultSite {
  readonly about = "embedded: one sheep, two ways to it";
  readonly #namespace: string;
  readonly #wires: readonly Wire[];
  readonly #sheep: EmbeddedSheep;

  private constructor(namespace: string, wires: readonly Wire[], sheep: EmbeddedSheep) {
    this.#namespace = namespace;
    this.#wires = wires;
    this.#sheep = sheep;
  }

  static async start(): Promise<EmbeddedSite> {
    const namespace = `sheepfs-${process.pid}`;
    const wires = [0, 1].map((index) => wireOf(index));
    await must(["ip", "netns", "add", namespace]);
    try {
      await must(["ip", "-n", namespace, "link", "set", "lo", "up"]);
      for (const wire of wires) await lay(wire, namespace);
      // Not 'ip netns exec': its copy of all mounts would keep what is unmounted meanwhile in use.
      const wrap = ["nsenter", `--net=/run/netns/${namespace}`];
      const sheep = await startSheepProcess({ listen: `0.0.0.0:${port}`, wrap });
      return new EmbeddedSite(namespace, wires, sheep);
    } catch (error) {
      await must(["ip", "netns", "delete", namespace]);
      throw error;
    }
  }

  get cluster(): TestCluster {
    const address = this.#wires.map(({ sheep }) => `${sheep}:${port}`).join(",");
    return {
      address,
      embedded: true,
      createVdi: (label, wish) => this.#sheep.createVdi(label, wish, address),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async break({ fault, gateway }: Breakage): Promise<void> {
    if (fault === "kill") await this.#sheep.stop("SIGKILL");
    if (fault === "stop") this.#sheep.child.kill("SIGSTOP");
    if (fault === "partition") await this.#cut(this.#wireTo(gateway));
  }

  async mend({ fault, gateway }: Breakage): Promise<void> {
    if (fault === "kill") await this.#sheep.start();
    if (fault === "stop") this.#sheep.child.kill("SIGCONT");
    if (fault === "partition") await this.#join(this.#wireTo(gateway));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sheep.child.kill("SIGCONT");
    await this.#sheep[Symbol.asyncDispose]();
    // The wires go with it.
    await must(["ip", "netns", "delete", this.#namespace]);
  }

  #wireTo(gateway: string): Wire {
    const wire = this.#wires.find(({ sheep }) => gateway === `${sheep}:${port}`);
    if (wire === undefined) throw new Error(`no wire leads to ${gateway}`);
    return wire;
  }

  async #cut({ device, client, sheep }: Wire): Promise<void> {
    const there = ["-n", this.#namespace];
    const lost = ["lladdr", nobody, "nud", "permanent", "dev"];
    await must(["ip", "neigh", "replace", sheep, ...lost, device]);
    await must(["ip", ...there, "neigh", "replace", client, ...lost, `${device}p`]);
  }

  async #join({ device, client, sheep }: Wire): Promise<void> {
    await must(["ip", "neigh", "delete", sheep, "dev", device]);
    await must(["ip", "-n", this.#namespace, "neigh", "delete", client, "dev", `${device}p`]);
  }
}

function wireOf(index: number): Wire {
  // Of the networks that are meant for benchmarks of devices.
  const network = `198.18.${process.pid % 250}`;
  const first = index * 4;
  const device = `sf${process.pid % 1_000_000}x${index}`;
  return { device, client: `${network}.${first + 1}`, sheep: `${network}.${first + 2}` };
}

async function lay({ device, client, sheep }: Wire, namespace: string): Promise<void> {
  const peer = `${device}p`;
  const pair = ["type", "veth", "peer", "name", peer, "netns", namespace];
  await must(["ip", "link", "add", device, ...pair]);
  await must(["ip", "address", "add", `${client}/30`, "dev", device]);
  await must(["ip", "link", "set", device, "up"]);
  await must(["ip", "-n", namespace, "address", "add", `${sheep}/30`, "dev", peer]);
  await must(["ip", "-n", namespace, "link", "set", peer, "up"]);
}
