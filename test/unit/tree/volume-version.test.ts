import { describe, expect, test } from "bun:test";
import { silentLogger } from "../../../src/base/log.ts";
import { attachNamed } from "../../../src/tree/entries/attaching.ts";
import { VolumeVersions } from "../../../src/tree/entries/volume-version.ts";
import { AttachedVolumes } from "../../../src/volume/attach.ts";
import type { AttachedVolume } from "../../../src/volume/attached.ts";
import { SliceCache } from "../../../src/volume/slice-cache.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const MiB = 1 << 20;

class Fixture {
  readonly clock = new ManualClock();
  readonly cluster = new MemoryCluster();

  constructor(locking: boolean) {
    this.cluster.locking = locking;
    this.cluster.createVdi("web", { sizeBytes: 8 * MiB });
  }

  /** One process that attaches, as a restart is another one. */
  async attach(line: string, readOnly = false): Promise<AttachedVolume> {
    const { clock, cluster } = this;
    const ports = { store: cluster, resolver: cluster, clock, log: silentLogger };
    const volumes = new AttachedVolumes({
      ports: { ...ports, cache: new SliceCache() },
      holds: cluster,
      readOnly,
    });
    return await attachNamed(volumes, new TextEncoder().encode(line), clock.scope(60_000));
  }

  write(attached: AttachedVolume, byte: number): Promise<number> {
    return attached.volume.write(new Uint8Array(512).fill(byte), 0, this.clock.scope(60_000));
  }
}

// S-48
describe("the version of a volume", () => {
  // [S-48]
  test("is strong while it is locked for us, and another one after each write", async () => {
    const world = new Fixture(true);
    const attached = await world.attach("web");
    const versions = new VolumeVersions(attached, world.clock);
    const before = versions.now();
    expect(before.strong).toBe(true);
    expect(versions.now()).toBe(before);
    const writing = world.write(attached, 1);
    const during = versions.now();
    expect([during.strong, during.tag === before.tag]).toEqual([false, false]);
    await writing;
    const after = versions.now();
    expect([after.strong, after.tag === during.tag]).toEqual([true, false]);
  });

  // [S-48]
  test("is weak where nothing keeps others from writing", async () => {
    const world = new Fixture(false);
    const attached = await world.attach("web");
    const versions = new VolumeVersions(attached, world.clock);
    const before = versions.now();
    expect([before.strong, versions.now().tag]).toEqual([false, before.tag]);
    await world.write(attached, 1);
    expect(versions.now().tag).not.toBe(before.tag);
  });

  test("is weak from a snapshot made elsewhere until the lock has followed", async () => {
    const world = new Fixture(true);
    const attached = await world.attach("web");
    const versions = new VolumeVersions(attached, world.clock);
    world.cluster.snapshot("web", "one");
    await world.write(attached, 1);
    expect(versions.now().strong).toBe(false);
  });

  test("of what is only read, and can be written by others, never repeats", async () => {
    const world = new Fixture(true);
    const versions = new VolumeVersions(await world.attach("web", true), world.clock);
    const before = versions.now();
    world.clock.advance(1);
    const after = versions.now();
    expect([before.strong, after.strong, after.tag === before.tag]).toEqual([false, false, false]);
    expect(after.modifiedMs).toBe(world.clock.wallMs());
  });

  // [S-48]
  test("of a snapshot is strong and the same for ever", async () => {
    const world = new Fixture(true);
    world.cluster.snapshot("web", "one");
    const first = new VolumeVersions(await world.attach("web@one"), world.clock).now();
    world.clock.advance(100_000);
    const second = new VolumeVersions(await world.attach("web@one"), world.clock).now();
    expect([first.strong, second.tag]).toEqual([true, first.tag]);
  });

  test("of a later attaching is never one of an earlier", async () => {
    const world = new Fixture(false);
    const first = new VolumeVersions(await world.attach("web"), world.clock).now();
    world.clock.advance(1);
    const second = new VolumeVersions(await world.attach("web"), world.clock).now();
    expect(second.tag).not.toBe(first.tag);
  });

  test("is another one when the size is", async () => {
    const world = new Fixture(true);
    const attached = await world.attach("web");
    const versions = new VolumeVersions(attached, world.clock);
    const before = versions.now();
    world.cluster.change("web", { vdiSize: 16 * MiB });
    await attached.volume.refresh(world.clock.scope(60_000));
    expect(versions.now().tag).not.toBe(before.tag);
  });
});
