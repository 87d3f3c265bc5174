import { expect } from "bun:test";
import { must, run, sheepfsBinary } from "../support/process.ts";
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
} from "./driver.ts";
import type { CaseGroup } from "./world.ts";

const MiB = 1 << 20;

export const volumeGroups: readonly CaseGroup[] = [
  {
    about: "a volume",
    cases: [
      {
        name: "has its true size, allocated bytes and times",
        run: async ({ subject, cluster }) => {
          const startMs = Date.now();
          const vdi = await cluster.createVdi("stat", { size: "24M", objectSize: "4M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          const before = await subject.stat(path);
          expect(before).toMatchObject({ kind: "file", sizeBytes: 24 * MiB, allocatedBytes: 0 });
          expect(Math.abs(before.mtimeMs - startMs)).toBeLessThan(60_000);
          expect(await writePart(subject, path, 9 * MiB, pattern(5_000, 1))).toBe(5_000);
          const after = await subject.stat(path);
          expect(after.allocatedBytes).toBe(4 * MiB);
          expect(after.mtimeMs).toBeGreaterThanOrEqual(before.mtimeMs);
          expect(after.sizeBytes).toBe(24 * MiB);
        },
      },

      {
        // [S-5]
        name: "gives back what was written anywhere, and zeros elsewhere",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("io", { size: "16M", objectSize: "4M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          const model = new Uint8Array(16 * MiB);
          const writes: readonly (readonly [number, number])[] = [
            [0, 1],
            [511, 1_026],
            [4 * MiB - 3, 7],
            [3 * MiB, 6 * MiB],
            [16 * MiB - 100, 100],
          ];
          for (const [seed, [offset, length]] of writes.entries()) {
            const bytes = pattern(length, seed);
            await writeAll(subject, path, offset, bytes);
            model.set(bytes, offset);
          }
          await detach(subject, vdi);
          await attach(subject, vdi);
          for (let offset = 0; offset < model.length; offset += MiB) {
            const found = await readPart(subject, path, offset, MiB);
            expect(sameContent(found, model.subarray(offset, offset + MiB))).toBe(true);
          }
        },
      },

      {
        name: "ends where it ends: nothing to read, no space to write",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("end", { size: "8M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          await using file = await subject.open(path, "readwrite");
          expect((await file.read(8 * MiB, 10)).length).toBe(0);
          expect((await file.read(8 * MiB - 4, 10)).length).toBe(4);
          await expectFailure(subject, file.write(8 * MiB, pattern(1, 1)), "no_space");
          expect(await file.write(8 * MiB - 4, pattern(10, 1))).toBe(4);
          expect(Buffer.from(await file.read(8 * MiB - 4, 10))).toEqual(Buffer.from(pattern(4, 1)));
        },
      },

      {
        name: "makes durable what was written",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("sync", { size: "16M", objectSize: "4M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          await writeAll(subject, path, 0, pattern(9 * MiB, 3));
          await using file = await subject.open(path, "readwrite");
          await file.sync();
          expect((await subject.stat(path)).allocatedBytes).toBe(12 * MiB);
        },
      },

      {
        name: "gives back what is discarded",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("discard", { size: "16M", objectSize: "4M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          await writeAll(subject, path, 0, pattern(9 * MiB, 3));
          await using file = await subject.open(path, "readwrite");
          await file.discard(MiB, 4 * MiB);
          await file.discard(4 * MiB, 4 * MiB);
          const zeros = await file.read(MiB, MiB);
          expect(zeros.every((byte) => byte === 0)).toBe(true);
          const kept = await file.read(MiB - 4096, 4096);
          expect(sameContent(kept, pattern(9 * MiB, 3).subarray(MiB - 4096, MiB))).toBe(true);
          expect((await subject.stat(path)).allocatedBytes).toBe(8 * MiB);
        },
      },

      {
        name: "is not detached while it is open",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("used", { size: "8M" });
          await attach(subject, vdi);
          const file = await subject.open(`volume/${vdi}`, "readwrite");
          await expectFailure(subject, detach(subject, vdi), "busy");
          expect(await file.write(0, pattern(4096, 1))).toBe(4096);
          expect(await readText(subject, "vdi/unmount")).toMatch(/busy {2}'.*is open once/);
          await file.close();
          await detach(subject, vdi);
        },
      },
    ],
  },

  {
    about: "a volume that somebody else changes",
    cases: [
      {
        // [S-16]
        name: "has its new size within moments",
        run: async ({ subject, cluster, other }) => {
          const vdi = await cluster.createVdi("grown", { size: "8M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          expect((await subject.stat(path)).sizeBytes).toBe(8 * MiB);
          await other.resize(vdi, 12 * MiB);
          await eventually(
            "the new size",
            async () => (await subject.stat(path)).sizeBytes === 12 * MiB,
          );
          expect(await writePart(subject, path, 11 * MiB, pattern(100, 1))).toBe(100);
        },
      },

      {
        name: "goes on in the new working VDI after a snapshot",
        run: async ({ subject, cluster, other }) => {
          const vdi = await cluster.createVdi("snapped", { size: "16M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          await writeAll(subject, path, 0, pattern(8_192, 1));
          await other.snapshot(vdi, "before");
          await writeAll(subject, path, 4_096, pattern(4_096, 2));
          expect(sameContent(await other.read(vdi, 4_096, 4_096), pattern(4_096, 2))).toBe(true);
          expect(sameContent(await other.read(vdi, 0, 4_096), pattern(4_096, 1))).toBe(true);
        },
      },

      {
        // [S-74] [S-70]
        name: "is not deleted by ours, and disappears when another client does",
        run: async ({ subject, cluster, other }) => {
          const vdi = `sheepfs-test-${process.pid}-deleted`;
          const binary = await sheepfsBinary();
          const at = ["-s", cluster.address];
          await must([binary, "vdi", "create", vdi, "--size", "8M", ...at]);
          await attach(subject, vdi);
          const remove = [binary, "vdi", "delete", vdi, ...at, "--yes"];
          const { exitCode, stderr } = await run(remove);
          expect([exitCode, stderr]).toEqual([
            1,
            expect.stringContaining("is attached by sheepfs on"),
          ]);
          await other.delete(vdi);
          await eventually("it is gone", async () => {
            await subject.stat(`volume/${vdi}`).catch(() => {});
            return (await subject.list("volume")).length === 0;
          });
        },
      },
    ],
  },

  {
    about: "a snapshot",
    cases: [
      {
        name: "is attached as NAME@TAG, for reading only, beside its VDI",
        run: async ({ subject, cluster, other }) => {
          const vdi = await cluster.createVdi("snap", { size: "8M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          await writeAll(subject, path, 0, pattern(4_096, 1));
          await other.snapshot(vdi, "monday");
          await writeAll(subject, path, 0, pattern(4_096, 2));
          await attach(subject, `${vdi}@monday`);
          await attach(subject, `${vdi}@1`);
          expect(await subject.list("volume")).toEqual([vdi, `${vdi}@1`, `${vdi}@monday`].sort());
          for (const title of [`${vdi}@1`, `${vdi}@monday`]) {
            const old = await readPart(subject, `volume/${title}`, 0, 4_096);
            expect(sameContent(old, pattern(4_096, 1))).toBe(true);
            const writing = subject.open(`volume/${title}`, "readwrite");
            await expectFailure(subject, writing, "read_only");
          }
          expect(sameContent(await readPart(subject, path, 0, 4_096), pattern(4_096, 2))).toBe(
            true,
          );
          await expectFailure(subject, attach(subject, `${vdi}@tuesday`), "not_found");
          await detach(subject, `${vdi}@monday`);
          expect(await subject.list("volume")).toEqual([vdi, `${vdi}@1`].sort());
        },
      },

      {
        name: "does not stand in the way of its VDI",
        run: async ({ subject, cluster, other }) => {
          const vdi = await cluster.createVdi("both", { size: "8M" });
          await other.snapshot(vdi, "first");
          await other.snapshot(vdi, "second");
          await attach(subject, vdi);
          await writeAll(subject, `volume/${vdi}`, 0, pattern(4_096, 5));
          expect(sameContent(await other.read(vdi, 0, 4_096), pattern(4_096, 5))).toBe(true);
        },
      },
    ],
  },

  {
    about: "read-only",
    cases: [
      {
        name: "volumes are read and never written",
        setup: async (cluster) => ({
          readOnly: true,
          attach: [await cluster.createVdi("ro", { size: "8M" })],
        }),
        run: async ({ subject, options }) => {
          const path = `volume/${options.attach[0] ?? ""}`;
          expect((await readPart(subject, path, 0, 4_096)).length).toBe(4_096);
          await expectFailure(subject, subject.open(path, "readwrite"), "read_only");
        },
      },
    ],
  },

  {
    about: "with the page cache",
    cases: [
      {
        name: "a volume reads and writes the same",
        setup: async () => ({ pageCache: true }),
        run: async ({ subject, cluster, other }) => {
          const vdi = await cluster.createVdi("cached", { size: "8M" });
          await attach(subject, vdi);
          const path = `volume/${vdi}`;
          {
            await using file = await subject.open(path, "readwrite");
            expect(await file.write(1_000, pattern(10_000, 1))).toBe(10_000);
            expect(sameContent(await file.read(1_000, 10_000), pattern(10_000, 1))).toBe(true);
            await file.sync();
          }
          expect(sameContent(await other.read(vdi, 1_000, 10_000), pattern(10_000, 1))).toBe(true);
        },
      },
    ],
  },
];

/** As programs write: what was not taken is written again. */
async function writeAll(
  subject: Parameters<typeof writePart>[0],
  path: string,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  await using file = await subject.open(path, "readwrite");
  for (let done = 0; done < bytes.length; ) {
    done += await file.write(offset + done, bytes.subarray(done, done + MiB));
  }
}
