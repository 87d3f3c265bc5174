import { must } from "./process.ts";

/** Two ends of one wire: ours, and the one in the namespace. */
export interface Wire {
  readonly device: string;
  /** Our address. */
  readonly here: string;
  readonly there: string;
}

/** A network namespace with nothing in it but wires to us; gone with them when disposed. */
export class WiredNamespace implements AsyncDisposable {
  readonly name = `sheepfs-${process.pid}`;
  readonly wires: readonly Wire[];
  /** What runs a program in it. Not 'ip netns exec': its copy of all mounts would keep what is unmounted
   * meanwhile in use. */
  readonly wrap: readonly string[] = ["nsenter", `--net=/run/netns/${this.name}`];

  private constructor(wireCount: number) {
    this.wires = Array.from({ length: wireCount }, (_, index) => wireOf(index));
  }

  static async make(wireCount: number): Promise<WiredNamespace> {
    const made = new WiredNamespace(wireCount);
    await must(["ip", "netns", "add", made.name]);
    try {
      await must(["ip", "-n", made.name, "link", "set", "lo", "up"]);
      for (const wire of made.wires) await lay(wire, made.name);
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** No more than so much comes over this wire. */
  async limit({ device }: Wire, bitsPerSecond: number): Promise<void> {
    const bucket = ["tbf", "rate", `${bitsPerSecond}bit`, "burst", "4mb", "latency", "30ms"];
    await must(["tc", "-n", this.name, "qdisc", "replace", "dev", `${device}p`, "root", ...bucket]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await must(["ip", "netns", "delete", this.name]);
  }
}

function wireOf(index: number): Wire {
  // Of the networks that are meant for benchmarks of devices.
  const network = `198.18.${process.pid % 250}`;
  const first = index * 4;
  const device = `sf${process.pid % 1_000_000}x${index}`;
  return { device, here: `${network}.${first + 1}`, there: `${network}.${first + 2}` };
}

async function lay({ device, here, there }: Wire, namespace: string): Promise<void> {
  const peer = `${device}p`;
  const pair = ["type", "veth", "peer", "name", peer, "netns", namespace];
  await must(["ip", "link", "add", device, ...pair]);
  await must(["ip", "address", "add", `${here}/30`, "dev", device]);
  await must(["ip", "link", "set", device, "up"]);
  await must(["ip", "-n", namespace, "address", "add", `${there}/30`, "dev", peer]);
  await must(["ip", "-n", namespace, "link", "set", peer, "up"]);
}
