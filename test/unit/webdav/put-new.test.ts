import { expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { MemoryDir, MemoryVolume } from "../fuse/memory-tree.ts";
import { DavWorld } from "./world.ts";

/** Where a new file becomes something when it is given a size. */
class Sized extends MemoryDir {
  refusal: SheepfsError | null = null;

  constructor() {
    super({});
  }

  makeFile(name: string) {
    const { traits } = new MemoryVolume(0);
    const setSize = async () => {
      if (this.refusal !== null) throw this.refusal;
    };
    const node = Object.assign(new MemoryVolume(4096), {
      traits: { ...traits, extensible: false },
      setSize,
    });
    this.children.set(name, node);
    return node;
  }

  remove(name: string): void {
    this.children.delete(name);
  }
}

test("PUT of a name that cannot have its size leaves none behind", async () => {
  const dir = new Sized();
  const world = new DavWorld({ children: { sized: dir } });
  dir.refusal = new SheepfsError("exists", "VDI 'new' exists already");
  expect((await world.ask("PUT", "/sized/new", { body: "12345" })).status).toBe(409);
  expect([...dir.children.keys()]).toEqual([]);
  expect((await world.ask("PUT", "/sized/new", { body: "12345", chunked: true })).status).toBe(411);
  expect([...dir.children.keys()]).toEqual([]);
});
