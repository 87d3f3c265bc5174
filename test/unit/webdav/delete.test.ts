import { expect, test } from "bun:test";
import { MemoryDir, MemoryVolume } from "../fuse/memory-tree.ts";
import { DavWorld } from "./world.ts";

/** Where what is removed is gone for good. */
class Disks extends MemoryDir {
  readonly removalIsFinal = true;

  remove(name: string): void {
    this.children.delete(name);
  }
}

// [S-63]
test("DELETE of a disk needs a condition, as clients delete what they could not write", async () => {
  const dir = new Disks({ disk: new MemoryVolume(4096) });
  const world = new DavWorld({ children: { disks: dir } });
  expect((await world.ask("DELETE", "/disks/disk")).status).toBe(428);
  expect([...dir.children.keys()]).toEqual(["disk"]);
  const other = { fields: { "if-match": '"another"' } };
  expect((await world.ask("DELETE", "/disks/disk", other)).status).toBe(412);
  expect([...dir.children.keys()]).toEqual(["disk"]);
  const any = { fields: { "if-match": "*" } };
  expect((await world.ask("DELETE", "/disks/disk", any)).status).toBe(204);
  expect([...dir.children.keys()]).toEqual([]);
});
