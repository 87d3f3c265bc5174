import { describe, setDefaultTimeout, test } from "bun:test";
import { Model } from "./model.ts";
import { seedOf, vdiNamed, World, type WorldSpec } from "./world.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
setDefaultTimeout(60_000);
const seed = seedOf(20_261_125);

const sizes: ReadonlyArray<{ shift: number; sizeBytes: number; steps: number }> = [
  { shift: 12, sizeBytes: 200 * KiB + 700, steps: 8_000 },
  { shift: 12, sizeBytes: 40 * MiB, steps: 2_000 },
  { shift: 13, sizeBytes: 256 * KiB, steps: 4_000 },
  { shift: 16, sizeBytes: MiB + 5, steps: 4_000 },
  { shift: 20, sizeBytes: 6 * MiB - 512, steps: 3_000 },
  { shift: 22, sizeBytes: 24 * MiB, steps: 1_500 },
];

function begin(spec: Omit<WorldSpec, "seed">, salt: number): [World, Model] {
  const world = new World({ ...spec, seed: seed + salt });
  return [world, new Model(world, world.volume, new Uint8Array(spec.sizeBytes))];
}

function reopened(world: World, model: Model): void {
  world.volume = world.open(vdiNamed("test"));
  model.volume = world.volume;
  model.verify();
}

/** A snapshot of the working VDI now and then, sometimes some in a row. */
function sometimesSnapshot(world: World, oneIn: number): () => Promise<void> {
  const { cluster, random, sim } = world;
  const count = random.below(oneIn) === 0 ? 1 + random.below(3) : 0;
  return async () => {
    for (let n = 0; n < count; n += 1) {
      const { vid } = await cluster.resolve(vdiNamed("test"), sim.scope());
      await cluster.snapshot(vid);
    }
  };
}

function sometimesFail(world: World): void {
  const bad = world.random.below(3) === 0;
  setFaults(world, bad ? { refused: 30, lost: 30, doubt: 20 } : noFaults);
}

const noFaults = { refused: 0, lost: 0, doubt: 0 };

function setFaults(world: World, faults: typeof noFaults): void {
  Object.assign(world.cluster.faults, faults);
}

function expectFailures(model: Model): void {
  if (model.failures === 0) throw new Error("no error came up");
}

describe("random reads, writes, discards and flushes at once", () => {
  for (const { shift, sizeBytes, steps } of sizes) {
    const what = `in objects of ${2 ** (shift - 10)} KiB, ${Math.ceil(sizeBytes / KiB)} KiB in all`;
    const cacheBytesMax = 16 * KiB;

    test(`read back what was written, ${what}`, () => {
      const [world, model] = begin({ objectShift: shift, sizeBytes, cacheBytesMax }, shift);
      while (model.steps < steps) model.batch();
      model.verify();
      reopened(world, model);
    });

    test(`follow snapshots made elsewhere, ${what}`, () => {
      const [world, model] = begin({ objectShift: shift, sizeBytes, cacheBytesMax }, shift + 100);
      while (model.steps < steps / 2) model.batch(sometimesSnapshot(world, 15));
      model.verify();
      world.sim.run(world.volume.close(world.sim.scope()));
      reopened(world, model);
    });

    test(`report errors and corrupt nothing, ${what}`, () => {
      const [world, model] = begin({ objectShift: shift, sizeBytes, cacheBytesMax }, shift + 200);
      while (model.steps < steps / 2) {
        sometimesFail(world);
        model.batch();
      }
      setFaults(world, noFaults);
      expectFailures(model);
      model.verify();
      reopened(world, model);
    });

    test(`survive errors and snapshots together, ${what}`, () => {
      const [world, model] = begin({ objectShift: shift, sizeBytes, cacheBytesMax }, shift + 300);
      while (model.steps < steps / 2) {
        sometimesFail(world);
        model.batch(sometimesSnapshot(world, 15));
      }
      setFaults(world, noFaults);
      expectFailures(model);
      model.verify();
      world.sim.run(world.volume.close(world.sim.scope()));
      reopened(world, model);
    });
  }

  // [S-2]
  test("are there after a crash when a flush came before it, whatever was snapshotted", () => {
    for (let round = 0; round < 60; round += 1) {
      const [world, model] = begin({ objectShift: 12, sizeBytes: 100 * KiB }, 1_000 + round);
      for (let n = 0; n < 10; n += 1) model.batch(sometimesSnapshot(world, 4));
      world.sim.run(world.volume.flush(world.sim.scope()));
      // Nothing more is done with this volume: it is as if its process had been killed.
      reopened(world, model);
    }
  });

  for (const storePolicy of [0, 1] as const) {
    // [S-1]
    test(`survive the end of the process at any moment (store policy ${storePolicy})`, () => {
      const spec = { objectShift: 12, sizeBytes: 400 * KiB, storePolicy, nodeEntriesMax: 5 };
      for (let round = 0; round < 10; round += 1) {
        const [world, model] = begin(spec, 5_000 + 10 * storePolicy + round);
        // Nothing protects from a removal that outlasts a restart.
        world.cluster.removalMs = 0;
        while (model.steps < 200) model.crash(() => world.open(vdiNamed("test")));
        model.verify();
      }
    });
  }

  test("leave a snapshot as it was when it was made, and its clone to itself", () => {
    const [world, model] = begin({ objectShift: 12, sizeBytes: 100 * KiB }, 2_000);
    const taken: Array<{ id: number; bytes: Uint8Array }> = [];
    const clones: Model[] = [];
    for (let n = 0; n < 200; n += 1) {
      model.batch();
      for (const clone of clones) clone.batch();
      if (n % 25 !== 10) continue;
      const { vid, snapId } = world.volume.header;
      taken.push({ id: snapId, bytes: model.bytes.slice() });
      world.sim.run(world.cluster.snapshot(vid));
      if (clones.length === 4) continue;
      world.cluster.clone(vid, `clone${n}`);
      clones.push(new Model(world, world.open(vdiNamed(`clone${n}`)), model.bytes.slice()));
      world.sim.run(world.volume.refresh(world.sim.scope()));
    }
    for (const clone of clones) clone.verify();
    model.verify();
    for (const { id, bytes } of taken) {
      const snapshot = world.open(vdiNamed("test", id));
      new Model(world, snapshot, bytes).verify();
    }
  });

  for (const nodeEntriesMax of [2, 5, 64]) {
    const spec = { objectShift: 12, sizeBytes: 900 * KiB, storePolicy: 1, nodeEntriesMax } as const;

    test(`read back from a hypervolume with nodes of ${nodeEntriesMax} entries`, () => {
      const [world, model] = begin({ ...spec, cacheBytesMax: 4 * KiB }, 3_000 + nodeEntriesMax);
      while (model.steps < 3_000) model.batch();
      model.verify();
      reopened(world, model);
    });

    test(`corrupt no hypervolume with nodes of ${nodeEntriesMax} entries by errors`, () => {
      for (let round = 0; round < 15; round += 1) {
        const salt = 4_000 + 100 * nodeEntriesMax + round;
        const [world, model] = begin({ ...spec, cacheBytesMax: 4 * KiB }, salt);
        while (model.steps < 250) {
          sometimesFail(world);
          model.batch();
          if (world.random.below(10) > 0) continue;
          setFaults(world, noFaults);
          reopened(world, model);
        }
        setFaults(world, noFaults);
        model.verify();
        reopened(world, model);
      }
    });
  }
});
