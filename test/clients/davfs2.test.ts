import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../conformance/driver.ts";
import { MiB, pattern, readAt } from "../mount/bytes.ts";
import { startCluster } from "../support/cluster.ts";
import { TemporaryFolder } from "../support/process.ts";
import { startServe } from "../support/serve.ts";
import { DavfsMount } from "./davfs2.ts";

for (const locks of [true, false]) {
  describe(`mount -t davfs with use_locks ${locks ? 1 : 0}`, () => {
    test("lists the tree, and cat shows its texts", async () => {
      await using cluster = await startCluster();
      await using server = await startServe(cluster);
      await using davfs = await DavfsMount.at(server.url, { locks });
      const names = (await davfs.mustShell("ls")).trim().split("\n");
      expect(names.filter((name) => !name.startsWith("davfs2-"))).toEqual([
        "cluster",
        "config",
        "node",
        "snapshot",
        "vdi",
        "volume",
      ]);
      expect(await davfs.mustShell("cat cluster/info")).toStartWith("Cluster status: running");
      const list = await (await fetch(server.at("node", "list"))).text();
      expect(await davfs.mustShell("cat node/list")).toBe(list);
      expect(await davfs.mustShell("stat -c %s node/list")).toBe(`${list.length}\n`);
      await davfs.unmount();
    }, 60_000);

    test("echo NAME > vdi/mount attaches, and a wrong name is told in it", async () => {
      await using cluster = await startCluster();
      const vdi = await cluster.createVdi("dav", { size: "4M" });
      await using server = await startServe(cluster);
      await using davfs = await DavfsMount.at(server.url, { locks });
      const told = async (text: string): Promise<void> => {
        await eventually(text, async () => {
          return (await (await fetch(server.at("vdi", "mount"))).text()).includes(text);
        });
      };
      // davfs2 uploads when the file is closed, and does not make close(2) wait for it.
      await davfs.mustShell(`echo ${vdi} > vdi/mount`);
      await told(`attached:\n  ${vdi}  4194304 bytes, writable`);
      expect(await davfs.mustShell("ls volume")).toBe(`${vdi}\n`);
      await davfs.shell("echo no-such-vdi > vdi/mount");
      await told("not_found  'no-such-vdi'");
      await davfs.mustShell(`echo ${vdi} > vdi/unmount`);
      await told("attached:\n  nothing\n");
      await davfs.unmount();
    }, 60_000);

    test("reads and writes a volume, as FUSE shows it at the same time", async () => {
      await using cluster = await startCluster();
      const vdi = await cluster.createVdi("files", { size: "4M" });
      await using server = await startServe(cluster, { args: ["--attach", vdi], mount: true });
      await using davfs = await DavfsMount.at(server.url, { locks });
      using folder = new TemporaryFolder();
      const content = pattern(4 * MiB, 1);
      const source = join(folder.path, "source");
      writeFileSync(source, content);
      const shown = (): Promise<void> =>
        eventually("what was written is shown by the mount", async () =>
          readAt(server.file("volume", vdi), 0, 4 * MiB).equals(content),
        );
      await davfs.mustShell(`cat '${source}' > 'volume/${vdi}'`);
      await shown();
      const target = join(folder.path, "target");
      await davfs.mustShell(`cat 'volume/${vdi}' > '${target}'`);
      expect(readFileSync(target).equals(content)).toBe(true);
      const piece = pattern(10_000, 2);
      writeFileSync(source, piece);
      const seek = "seek=1000000 conv=notrunc oflag=seek_bytes bs=10000 status=none";
      await davfs.mustShell(`dd if='${source}' of='volume/${vdi}' ${seek}`);
      piece.copy(content, 1_000_000);
      await shown();
      await davfs.unmount();
    }, 60_000);
  });
}
