import { expect } from "bun:test";
import {
  attach,
  detach,
  eventually,
  expectFailure,
  pattern,
  readPart,
  readText,
  sameContent,
  writePart,
  writeText,
} from "./driver.ts";
import type { CaseGroup, World } from "./world.ts";

const MiB = 1 << 20;

/** A VDI that is attached and has a pattern in it. */
async function filled({ subject, cluster }: World, label: string): Promise<string> {
  const vdi = await cluster.createVdi(label, { size: "16M", objectSize: "4M" });
  await attach(subject, vdi);
  await writePart(subject, `volume/${vdi}`, 3 * MiB, pattern(2 * MiB, 1));
  return vdi;
}

async function holds({ subject }: World, path: string, seed: number): Promise<boolean> {
  return sameContent(await readPart(subject, path, 3 * MiB, 2 * MiB), pattern(2 * MiB, seed));
}

export const lifeGroups: readonly CaseGroup[] = [
  {
    about: "snapshot/",
    cases: [
      {
        // [S-100]
        name: "a directory made in it is a snapshot, which is read there and never changes",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "snap");
          const path = `snapshot/${vdi}/monday`;
          expect(await subject.list(`snapshot/${vdi}`)).toEqual([]);
          await subject.makeDir(path);
          await writePart(subject, `volume/${vdi}`, 3 * MiB, pattern(2 * MiB, 2));
          expect(await subject.list(`snapshot/${vdi}`)).toEqual(["monday"]);
          expect(await subject.stat(path)).toMatchObject({ kind: "file", sizeBytes: 16 * MiB });
          expect(await holds(world, path, 1)).toBe(true);
          expect(await holds(world, `volume/${vdi}`, 2)).toBe(true);
          expect(await readText(subject, "vdi/list")).toContain(" monday ");
          expect(await subject.list("volume")).toEqual([vdi]);
          await subject.remove(path);
        },
      },
      {
        name: "a tag that is there, one of digits, and a VDI that is none, are refused",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "refuse");
          const path = `snapshot/${vdi}/monday`;
          await subject.makeDir(path);
          const again = subject.makeDir(path);
          await expectFailure(subject, again, "exists");
          await expectFailure(subject, subject.makeDir(`snapshot/${vdi}/17`), "invalid");
          await expectFailure(subject, subject.stat(`snapshot/${vdi}-none`), "not_found");
          await expectFailure(subject, subject.stat(`snapshot/${vdi}/none`), "not_found");
          expect(await subject.list(`snapshot/${vdi}`)).toEqual(["monday"]);
          await subject.remove(path);
        },
      },
      {
        name: "it cannot be written",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "frozen");
          const path = `snapshot/${vdi}/monday`;
          await subject.makeDir(path);
          const writing = (async () => await writePart(subject, path, 0, pattern(10, 1)))();
          await expectFailure(subject, writing, "read_only");
          await subject.remove(path);
        },
      },
      {
        // [S-101]
        name: "a removed file is a deleted snapshot, and what others share with it stays",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "drop");
          await subject.makeDir(`snapshot/${vdi}/monday`);
          await subject.makeDir(`snapshot/${vdi}/tuesday`);
          await subject.remove(`snapshot/${vdi}/monday`);
          expect(await subject.list(`snapshot/${vdi}`)).toEqual(["tuesday"]);
          for (const path of [`snapshot/${vdi}/tuesday`, `volume/${vdi}`]) {
            expect(await holds(world, path, 1)).toBe(true);
          }
          await expectFailure(subject, subject.remove(`snapshot/${vdi}/monday`), "not_found");
          await subject.remove(`snapshot/${vdi}/tuesday`);
        },
      },
      {
        // [S-138]
        name: "a renamed file is the same snapshot with another tag",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "retag");
          await subject.makeDir(`snapshot/${vdi}/monday`);
          await writePart(subject, `volume/${vdi}`, 3 * MiB, pattern(2 * MiB, 2));
          const { mtimeMs } = await subject.stat(`snapshot/${vdi}/monday`);
          await subject.rename(`snapshot/${vdi}/monday`, `snapshot/${vdi}/weekly`);
          expect(await subject.list(`snapshot/${vdi}`)).toEqual(["weekly"]);
          expect((await subject.stat(`snapshot/${vdi}/weekly`)).mtimeMs).toBe(mtimeMs);
          expect(await holds(world, `snapshot/${vdi}/weekly`, 1)).toBe(true);
          expect(await holds(world, `volume/${vdi}`, 2)).toBe(true);
          expect(await readText(subject, "vdi/list")).toContain(" weekly ");
          expect(await readText(subject, `vdi/${vdi}/parent`)).toBe(`${vdi}@weekly\n`);
          const gone = `snapshot/${vdi}/monday`;
          await expectFailure(subject, subject.stat(gone), "not_found");
          await subject.makeDir(gone);
          await subject.remove(gone);
          await subject.remove(`snapshot/${vdi}/weekly`);
        },
      },
      {
        name: "is renamed while it is read",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "reading");
          await subject.makeDir(`snapshot/${vdi}/monday`);
          {
            await using file = await subject.open(`snapshot/${vdi}/monday`, "read");
            await subject.rename(`snapshot/${vdi}/monday`, `snapshot/${vdi}/weekly`);
            expect(sameContent(await file.read(3 * MiB, 2 * MiB), pattern(2 * MiB, 1))).toBe(true);
          }
          await subject.remove(`snapshot/${vdi}/weekly`);
        },
      },
      {
        // [S-138]
        name: "a rename replaces nothing, and gives no tag that could not be made",
        run: async (world) => {
          const { subject, cluster } = world;
          const vdi = await filled(world, "over");
          const other = await cluster.createVdi("elsewhere", { size: "8M" });
          const [one, two] = [`snapshot/${vdi}/one`, `snapshot/${vdi}/two`];
          await subject.makeDir(one);
          await subject.makeDir(two);
          const rows = [
            [two, "exists"],
            [`snapshot/${vdi}/17`, "invalid"],
            [`snapshot/${vdi}/a\\x41`, "invalid"],
            [`snapshot/${other}/one`, "not_supported"],
            [`volume/${vdi}-new`, "not_supported"],
          ] as const;
          for (const [target, code] of rows) {
            await expectFailure(subject, subject.rename(one, target), code);
          }
          const missing = subject.rename(`snapshot/${vdi}/none`, `snapshot/${vdi}/three`);
          await expectFailure(subject, missing, "not_found");
          expect(await subject.list(`snapshot/${vdi}`)).toEqual(["one", "two"]);
          await attach(subject, `${vdi}@one`);
          await expectFailure(subject, subject.rename(one, `snapshot/${vdi}/three`), "busy");
          await detach(subject, `${vdi}@one`);
          await subject.remove(one);
          await subject.remove(two);
        },
      },
      {
        // [S-139]
        name: "what is no snapshot is not renamed",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "stays");
          const rows = [
            [`volume/${vdi}`, `volume/${vdi}-new`],
            [`vdi/${vdi}`, `vdi/${vdi}-new`],
            [`vdi/${vdi}/size`, `vdi/${vdi}/bytes`],
            [`snapshot/${vdi}`, `snapshot/${vdi}-new`],
            ["vdi/list", "vdi/all"],
          ] as const;
          for (const [source, target] of rows) {
            await expectFailure(subject, subject.rename(source, target), "not_supported");
          }
          expect(await holds(world, `volume/${vdi}`, 1)).toBe(true);
        },
      },
      {
        name: "a snapshot that somebody else made is there within two seconds",
        run: async (world) => {
          const { subject, other } = world;
          const vdi = await filled(world, "theirs");
          expect(await subject.list(`snapshot/${vdi}`)).toEqual([]);
          await other.snapshot(vdi, "theirs");
          const seen = async () => (await subject.list(`snapshot/${vdi}`)).includes("theirs");
          await eventually("their snapshot is listed", seen);
          expect(await holds(world, `snapshot/${vdi}/theirs`, 1)).toBe(true);
          await subject.remove(`snapshot/${vdi}/theirs`);
        },
      },
    ],
  },
  {
    about: "vdi/snapshot",
    cases: [
      {
        name: "a tag and names make a snapshot of each, and what is written goes on",
        run: async (world) => {
          const { subject } = world;
          const vdis = [await filled(world, "one"), await filled(world, "two")];
          await writeText(subject, "vdi/snapshot", `monday ${vdis.join(" ")}\n`);
          for (const vdi of vdis) {
            await writePart(subject, `volume/${vdi}`, 3 * MiB, pattern(2 * MiB, 2));
            expect(await holds(world, `snapshot/${vdi}/monday`, 1)).toBe(true);
            expect(await holds(world, `volume/${vdi}`, 2)).toBe(true);
          }
          const again = writeText(subject, "vdi/snapshot", `monday ${vdis[1]}\n`);
          await expectFailure(subject, again, "exists");
          const text = await readText(subject, "vdi/snapshot");
          expect(text).toContain(`snapshot/${vdis[0]}/monday snapshot/${vdis[1]}/monday\n`);
          for (const vdi of vdis) await subject.remove(`snapshot/${vdi}/monday`);
        },
      },
    ],
  },
  {
    about: "a volume's life",
    cases: [
      {
        // [S-102]
        name: "a link to a snapshot is a clone, which goes its own way",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "base");
          await subject.makeDir(`snapshot/${vdi}/monday`);
          const copy = `${vdi}-copy`;
          await subject.link(`snapshot/${vdi}/monday`, `volume/${copy}`);
          expect(await holds(world, `volume/${copy}`, 1)).toBe(true);
          await writePart(subject, `volume/${copy}`, 3 * MiB, pattern(2 * MiB, 9));
          expect(await holds(world, `volume/${vdi}`, 1)).toBe(true);
          expect(await holds(world, `snapshot/${vdi}/monday`, 1)).toBe(true);
          await detach(subject, copy);
          await attach(subject, copy);
          expect(await holds(world, `volume/${copy}`, 9)).toBe(true);
          await subject.remove(`volume/${copy}`);
          await subject.remove(`snapshot/${vdi}/monday`);
          expect(await holds(world, `volume/${vdi}`, 1)).toBe(true);
        },
      },
      {
        name: "a link to what is no snapshot, or over what is there, is refused",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "wrong");
          const linking = subject.link(`volume/${vdi}`, `volume/${vdi}-copy`);
          await expectFailure(subject, linking, "not_supported");
          await subject.makeDir(`snapshot/${vdi}/monday`);
          const over = subject.link(`snapshot/${vdi}/monday`, `volume/${vdi}`);
          await expectFailure(subject, over, "exists");
          expect(await holds(world, `volume/${vdi}`, 1)).toBe(true);
          await subject.remove(`snapshot/${vdi}/monday`);
        },
      },
      {
        // [S-103]
        name: "a new file with a size is a VDI, attached, and a removed one is deleted",
        run: async (world) => {
          const { subject, cluster } = world;
          const prefix = await cluster.createVdi("other", { size: "4M" });
          const path = `volume/${prefix}-new`;
          await subject.create(path, 8 * MiB);
          expect(await subject.stat(path)).toMatchObject({ kind: "file", sizeBytes: 8 * MiB });
          await writePart(subject, path, 3 * MiB, pattern(2 * MiB, 4));
          await detach(subject, `${prefix}-new`);
          await attach(subject, `${prefix}-new`);
          expect(await holds(world, path, 4)).toBe(true);
          await subject.remove(path);
          await expectFailure(subject, subject.stat(path), "not_found");
          expect(await readText(subject, "vdi/list")).not.toContain(`${prefix}-new `);
          await expectFailure(subject, attach(subject, `${prefix}-new`), "not_found");
        },
      },
      {
        name: "a file that cannot be a VDI is refused, and none is there",
        run: async (world) => {
          const { subject, cluster } = world;
          const vdi = await cluster.createVdi("there", { size: "8M" });
          // It is in the cluster and not attached.
          await expectFailure(subject, subject.create(`volume/${vdi}`, 4 * MiB), "exists");
          expect(await readText(subject, "vdi/list")).toContain(` ${vdi} `);
          await attach(subject, vdi);
          expect((await subject.stat(`volume/${vdi}`)).sizeBytes).toBe(8 * MiB);
        },
      },
      {
        name: "what has no verb cannot be removed or made",
        run: async ({ subject }) => {
          for (const path of ["vdi/list", "config/sheep_info"]) {
            const removing = subject.remove(path);
            await expectFailure(subject, removing, "not_supported");
          }
          await expectFailure(subject, subject.makeDir("vdi/new"), "not_supported");
          await expectFailure(subject, subject.create("cluster/new", 1), "not_supported");
        },
      },
      {
        name: "a tree for reading only makes and removes nothing",
        setup: async () => ({ readOnly: true }),
        run: async (world) => {
          const { subject, cluster, other } = world;
          const vdi = await cluster.createVdi("kept", { size: "8M" });
          await other.snapshot(vdi, "monday");
          await eventually("it is listed", async () =>
            (await subject.list(`snapshot/${vdi}`)).includes("monday"),
          );
          const refused = [
            () => subject.makeDir(`snapshot/${vdi}/tuesday`),
            () => subject.remove(`snapshot/${vdi}/monday`),
            () => subject.rename(`snapshot/${vdi}/monday`, `snapshot/${vdi}/tuesday`),
            () => subject.link(`snapshot/${vdi}/monday`, `volume/${vdi}-copy`),
            () => subject.create(`volume/${vdi}-new`, 4 * MiB),
          ];
          for (const work of refused) await expectFailure(subject, work(), "read_only");
          expect(await subject.list(`snapshot/${vdi}`)).toEqual(["monday"]);
        },
      },
      {
        // [S-104]
        name: "is given another size",
        run: async (world) => {
          const { subject } = world;
          const vdi = await filled(world, "grow");
          await subject.setSize(`volume/${vdi}`, 24 * MiB);
          expect((await subject.stat(`volume/${vdi}`)).sizeBytes).toBe(24 * MiB);
          expect(await writePart(subject, `volume/${vdi}`, 23 * MiB, pattern(100, 1))).toBe(100);
          const shrinking = subject.setSize(`volume/${vdi}`, 8 * MiB);
          await expectFailure(subject, shrinking, "invalid");
          expect(await holds(world, `volume/${vdi}`, 1)).toBe(true);
        },
      },
    ],
  },
];
