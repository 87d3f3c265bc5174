import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MiB, pattern, readAt, writeAt } from "../mount/bytes.ts";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { freeShortPort } from "../support/ports.ts";
import { must, TemporaryFolder } from "../support/process.ts";
import { TgtDisk } from "./tgt.ts";

const diskMiB = 32;

/** Places that lie in objects, across their borders and at both ends, for every object size here. */
const places = [0, MiB - 2048, 3 * MiB + 512, 8 * MiB - 4096, 20 * MiB, diskMiB * MiB - 8192];

describe("tgt and we see the same bytes", () => {
  for (const objectMiB of [1, 4, 8]) {
    // [S-10]
    test(`with objects of ${objectMiB} MiB`, async () => {
      await using cluster = await startCluster({ listen: `127.0.0.1:${await freeShortPort()}` });
      using folder = new TemporaryFolder();
      const wish = { size: `${diskMiB}M`, objectSize: `${objectMiB}M` };
      const vdi = await cluster.createVdi("tgt", wish);
      const expected = Buffer.alloc(diskMiB * MiB);
      {
        await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
        places.forEach((offset, seed) => {
          const bytes = pattern(8192, seed);
          expect(writeAt(mount.file("volume", vdi), offset, bytes)).toBe(8192);
          bytes.copy(expected, offset);
        });
      }

      {
        await using disk = await TgtDisk.start(cluster, vdi);
        const image = join(folder.path, "image");
        // Object by object: tgt clears what it has read when a hole follows in the same request.
        const copy = ["bs=1M", `if=${disk.url}`, `of=${image}`];
        await must(["qemu-img", "dd", "-f", "raw", "-O", "raw", ...copy]);
        expect(readFileSync(image).equals(expected)).toBe(true);
        const capacity = await must(["iscsi-readcapacity16", disk.url]);
        expect(capacity).toContain(`Total size:${diskMiB * MiB}`);
        for (const [offset, byte, length] of [
          [0, 0x31, 4096],
          [4 * MiB - 4096, 0x32, 8192],
          [8 * MiB - 512, 0x33, 1024],
          [13 * MiB, 0x34, 3 * MiB],
        ] as const) {
          const write = `write -P ${byte} ${offset} ${length}`;
          const read = `read -P ${byte} ${offset} ${length}`;
          const said = await must(["qemu-io", "-f", "raw", "-c", write, "-c", read, disk.url]);
          expect(said).not.toContain("Pattern verification failed");
          expected.fill(byte, offset, offset + length);
        }
        await must(["qemu-io", "-f", "raw", "-c", "flush", disk.url]);
      }

      await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      const found = readAt(mount.file("volume", vdi), 0, diskMiB * MiB);
      expect(found.equals(expected)).toBe(true);
    }, 60_000);
  }
});
