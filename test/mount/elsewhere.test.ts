import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, statSync } from "node:fs";
import { startSheepProcess } from "../support/cluster.ts";
import { cannotMount, mountSheepfs, type TestMount } from "../support/mount.ts";
import { must, sheepfsBinary } from "../support/process.ts";
import { MiB, pattern, readAt, readOpen, writeAt, writeOpen } from "./bytes.ts";
import { OtherClient } from "./other-client.ts";

/** Until `met`, which is looked at as often as the machine can. @returns how long it took */
async function until(met: () => boolean): Promise<number> {
  const beganMs = performance.now();
  while (!met()) await new Promise((resolve) => setImmediate(resolve));
  return performance.now() - beganMs;
}

/** The errno's name that `work` ends with. */
function errnoOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
  return "none";
}

async function prepared(args: readonly string[] = []) {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startSheepProcess());
  const vdi = await cluster.createVdi("shared", { size: "8M" });
  const other = stack.use(await OtherClient.connect(cluster.address));
  const mount: TestMount = stack.use(
    await mountSheepfs(cluster, { args: ["--attach", vdi, ...args] }),
  );
  const kept = stack.move();
  const path = mount.file("volume", vdi);
  return { cluster, vdi, other, mount, path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

describe.skipIf(cannotMount !== null)("while a volume is open", () => {
  for (const cached of ["0", "1"]) {
    // [S-16]
    test(`its VDI grows and shrinks elsewhere, with page cache ${cached}`, async () => {
      const args = cached === "1" ? ["--page-cache"] : [];
      await using world = await prepared(args);
      const { other, vdi, path } = world;
      const fd = openSync(path, "r+");
      writeOpen(fd, 8 * MiB - 4096, pattern(4096, 1));
      expect(readOpen(fd, 8 * MiB - 4096, 8192).length).toBe(4096);
      await other.resize(vdi, 12 * MiB);
      const growMs = await until(() => fstatSync(fd).size === 12 * MiB);
      expect(statSync(path).size).toBe(12 * MiB);
      expect(readOpen(fd, 12 * MiB - 4096, 8192).equals(Buffer.alloc(4096))).toBe(true);
      writeOpen(fd, 11 * MiB, pattern(100, 2));
      expect(readOpen(fd, 8 * MiB - 4096, 4096).equals(pattern(4096, 1))).toBe(true);
      await other.resize(vdi, 6 * MiB);
      const shrinkMs = await until(() => fstatSync(fd).size === 6 * MiB);
      expect(readOpen(fd, 8 * MiB - 4096, 4096).length).toBe(0);
      expect(readOpen(fd, 6 * MiB - 1024, 4096).length).toBe(1024);
      expect(errnoOf(() => writeOpen(fd, 6 * MiB, pattern(10, 3)))).toBe("ENOSPC");
      fsyncSync(fd);
      closeSync(fd);
      console.log(`seen after ${growMs.toFixed()} and ${shrinkMs.toFixed()} ms`);
    });
  }

  // [S-70]
  for (const what of ["deleted and made anew", "rolled back", "formatted away"] as const) {
    test(`its VDI is ${what} elsewhere: the new one is left alone`, async () => {
      await using world = await prepared(["--page-cache"]);
      const { other, vdi, path, mount } = world;
      const fd = openSync(path, "r+");
      writeOpen(fd, 0, pattern(4096, 1));
      const { vid } = await other.find(vdi);
      if (what !== "formatted away") await other.snapshot(vdi, "monday");
      writeOpen(fd, 0, pattern(4096, 2));
      if (what === "rolled back") {
        await other.rollback(vdi, vid);
      } else if (what === "formatted away") {
        await must([
          ...[await sheepfsBinary(), "cluster", "format", "--copies", "1"],
          ...["--force", "--yes", "-s", world.cluster.address],
        ]);
        await other.create(vdi, 8 * MiB);
        // A format gives out vids again: nothing but its time tells the new VDI from the old one.
        expect((await other.find(vdi)).vid).toBe(vid);
      } else {
        await other.delete(vdi);
        await other.create(vdi, 8 * MiB);
      }
      await until(() => errnoOf(() => fstatSync(fd)) === "ESTALE");
      expect(errnoOf(() => writeOpen(fd, 0, pattern(4096, 3)))).toBe("ESTALE");
      expect(errnoOf(() => writeOpen(fd, 4 * MiB, pattern(4096, 3)))).toBe("ESTALE");
      expect(errnoOf(() => readOpen(fd, 0, 4096))).toBe("ESTALE");
      expect(errnoOf(() => fsyncSync(fd))).toBe("ESTALE");
      expect(errnoOf(() => mount.attach(vdi))).toBe("ESTALE");
      closeSync(fd);
      await until(() => !existsSync(path));
      mount.attach(vdi);
      const now = what === "rolled back" ? pattern(4096, 1) : Buffer.alloc(4096);
      expect(readAt(path, 0, 4096).equals(now)).toBe(true);
      expect(readAt(path, 4 * MiB, 4096).equals(Buffer.alloc(4096))).toBe(true);
      writeAt(path, 0, pattern(4096, 4));
      expect((await other.read(vdi, 0, 4096)).equals(pattern(4096, 4))).toBe(true);
    });
  }
});
