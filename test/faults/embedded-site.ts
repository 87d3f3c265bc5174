import { type EmbeddedSheep, startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { must } from "../support/process.ts";
import { type Wire, WiredNamespace } from "../support/wires.ts";
import type { Breakage, FaultSite } from "./site.ts";

const port = 7000;
/** An address that no interface has: what is sent to it is dropped without a word. */
const nobody = "02:00:00:00:00:99";

/**
 * One sheep in a network namespace of its own, reached by two wires: what a client sees is two
 * gateways of one cluster. Killing or stopping the sheep closes both, a partition one of them.
 */
export class EmbeddedSite implements FaultSite {
  readonly about = "embedded: one sheep, two ways to it";
  readonly #namespace: WiredNamespace;
  readonly #sheep: EmbeddedSheep;

  private constructor(namespace: WiredNamespace, sheep: EmbeddedSheep) {
    this.#namespace = namespace;
    this.#sheep = sheep;
  }

  static async start(): Promise<EmbeddedSite> {
    const namespace = await WiredNamespace.make(2);
    try {
      const { wrap } = namespace;
      const sheep = await startSheepProcess({ listen: `0.0.0.0:${port}`, wrap });
      return new EmbeddedSite(namespace, sheep);
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
  }

  get cluster(): TestCluster {
    const address = this.#namespace.wires.map(({ there }) => `${there}:${port}`).join(",");
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
    await this.#namespace[Symbol.asyncDispose]();
  }

  #wireTo(gateway: string): Wire {
    const wire = this.#namespace.wires.find(({ there }) => gateway === `${there}:${port}`);
    if (wire === undefined) throw new Error(`no wire leads to ${gateway}`);
    return wire;
  }

  async #cut({ device, here, there }: Wire): Promise<void> {
    const inside = ["-n", this.#namespace.name];
    const lost = ["lladdr", nobody, "nud", "permanent", "dev"];
    await must(["ip", "neigh", "replace", there, ...lost, device]);
    await must(["ip", ...inside, "neigh", "replace", here, ...lost, `${device}p`]);
  }

  async #join({ device, here, there }: Wire): Promise<void> {
    await must(["ip", "neigh", "delete", there, "dev", device]);
    await must(["ip", "-n", this.#namespace.name, "neigh", "delete", here, "dev", `${device}p`]);
  }
}
