import { expect } from "bun:test";
import { silentLogger } from "../../../src/base/log.ts";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import type { VolumePorts } from "../../../src/volume/core.ts";
import type { VdiName } from "../../../src/volume/ports.ts";
import { SliceCache } from "../../../src/volume/slice-cache.ts";
import { Volume } from "../../../src/volume/volume.ts";
import { MemoryCluster } from "./memory-store.ts";
import { Simulation } from "./simulation.ts";

export interface WorldSpec {
  readonly seed: number;
  readonly objectShift: number;
  readonly sizeBytes: number;
  readonly storePolicy?: 0 | 1;
  readonly nodeEntriesMax?: number;
  readonly cacheBytesMax?: number;
}

/** One cluster, one VDI called "test" and a volume of it. */
export class World {
  readonly sim = new Simulation();
  readonly random: Random;
  readonly cluster: MemoryCluster;
  readonly ports: VolumePorts;
  readonly spec: WorldSpec;
  readonly vid: number;
  volume: Volume;

  constructor(spec: WorldSpec) {
    this.spec = spec;
    this.random = seededRandom(spec.seed);
    this.cluster = new MemoryCluster(this.sim, this.random);
    this.ports = {
      store: this.cluster,
      resolver: this.cluster,
      clock: this.sim,
      log: silentLogger,
      cache: new SliceCache(spec.cacheBytesMax ?? 2 ** 20),
      btreeNodeEntriesMax: spec.nodeEntriesMax ?? 64,
    };
    const { sizeBytes, objectShift, storePolicy } = spec;
    this.vid = this.cluster.createVdi({
      name: "test",
      sizeBytes,
      objectShift,
      storePolicy: storePolicy ?? 0,
    });
    this.volume = this.open(vdiNamed("test"));
  }

  open(name: VdiName, readOnly = false): Volume {
    const opening = Volume.open(this.ports, { name, title: "test", readOnly }, this.sim.scope());
    return this.sim.run(opening);
  }

  read(offset: number, length: number, volume: Volume = this.volume): Uint8Array {
    const into = new Uint8Array(length).fill(0xee);
    expect(this.sim.run(volume.read(into, offset, this.sim.scope()))).toBe(length);
    return into;
  }

  write(offset: number, bytes: Uint8Array, volume: Volume = this.volume): void {
    this.sim.run(volume.write(bytes, offset, this.sim.scope()));
  }

  /** No request broke a rule of the protocol. */
  expectLawful(): void {
    expect(this.cluster.violations).toEqual([]);
  }
}

export function vdiNamed(name: string, snapshotId: number | null = null): VdiName {
  const snapshot = snapshotId === null ? null : { id: snapshotId };
  return { name: new TextEncoder().encode(name), snapshot };
}

export function seedOf(fallback: number): number {
  const given = process.env["SEED"];
  const seed = given === undefined ? fallback : Number(given);
  console.log("seed", seed);
  return seed;
}

/** Code of the error that `work` ends with. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `not ours: ${error}`;
  }
  return "none";
}
