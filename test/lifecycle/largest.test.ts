import { expect, test } from "bun:test";
import { createVdi } from "../../src/cluster/create-vdi.ts";
import { deleteVdi } from "../../src/cluster/delete-vdi.ts";
import { realClock } from "../../src/sys/clock.ts";
import { attach, detach, readPart, writePart } from "../conformance/driver.ts";
import { startCluster } from "../support/cluster.ts";
import { cellBytes, cellsContent, firstWrong } from "./cells.ts";
import { World } from "./world.ts";

const MiB = 2 ** 20;
const TiB = 2 ** 40;
const slots = 2 ** 20;

interface Largest {
  readonly about: string;
  readonly objectBytes: number | null;
  readonly sizeBytes: number;
  readonly hyper: boolean;
}

const rows: readonly Largest[] = [
  { about: "with objects of 1 MiB", objectBytes: MiB, sizeBytes: slots * MiB, hyper: false },
  { about: "with objects of 4 MiB", objectBytes: 4 * MiB, sizeBytes: 4 * TiB, hyper: false },
  { about: "with objects of 64 MiB", objectBytes: 64 * MiB, sizeBytes: 64 * TiB, hyper: false },
  {
    about: "that is a hypervolume, of the most bytes that can be told apart",
    ...{ objectBytes: null, sizeBytes: Number.MAX_SAFE_INTEGER + 1 - cellBytes, hyper: true },
  },
];

// [S-156]
for (const { about, objectBytes, sizeBytes, hyper } of rows) {
  test(`the largest VDI ${about} is written and read at its very end`, async () => {
    await using cluster = await startCluster();
    await using world = await World.open(cluster);
    const { subject, caller } = world;
    const name = `largest-${process.pid}`;
    const bytes = new TextEncoder().encode(name);
    const wish = { name: bytes, sizeBytes, objectBytes, copies: null } as const;
    await createVdi(caller, { ...wish, storePolicy: hyper ? 1 : 0 }, world.scope());
    await attach(subject, name);
    const path = `volume/${name}`;
    const end = sizeBytes - cellBytes;
    expect(
      await writePart(
        subject,
        path,
        end,
        cellsContent(0, 2, () => 7),
      ),
    ).toBe(cellBytes);
    const holds = async (where: string, stamp: number): Promise<void> => {
      expect((await subject.stat(where)).sizeBytes).toBe(sizeBytes);
      expect(firstWrong(await readPart(subject, where, end, cellBytes), 0, () => stamp)).toBe(null);
    };
    await holds(path, 7);
    if (hyper) await expect(subject.makeDir(`snapshot/${name}/t`)).rejects.toThrow("hypervolume");
    else {
      await subject.makeDir(`snapshot/${name}/t`);
      await subject.link(`snapshot/${name}/t`, `volume/${name}-clone`);
      await writePart(
        subject,
        path,
        end,
        cellsContent(0, 1, () => 8),
      );
      await holds(`snapshot/${name}/t`, 7);
      await holds(`volume/${name}-clone`, 7);
      await subject.remove(`volume/${name}-clone`);
      await subject.remove(`snapshot/${name}/t`);
      await holds(path, 8);
    }
    await detach(subject, name);
    const named = { name: bytes, snapshot: null };
    await deleteVdi({ caller, clock: realClock, isGone: () => false }, named, world.scope());
  }, 60_000);
}
