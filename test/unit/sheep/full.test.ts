import { expect, test } from "bun:test";
import { join } from "node:path";
import { objectRequest } from "../../../src/wire/header.ts";
import { results } from "../../../src/wire/result.ts";
import { bytesOf, create, fill, setSlot } from "../../captures/operations.ts";
import { must, TemporaryFolder } from "../../support/process.ts";
import { deleteVdi, readData, TestSheep } from "./world.ts";

const MiB = 1024 * 1024;

/** A small disk of its own. */
class SmallDisk implements AsyncDisposable {
  readonly folder = new TemporaryFolder();

  async mount(size: string): Promise<string> {
    await must(["mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", this.folder.path]);
    return this.folder.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await must(["umount", "-l", this.folder.path]);
    this.folder[Symbol.dispose]();
  }
}

test("a full disk is told as such, loses nothing, and deleting makes room again", async () => {
  await using disk = new SmallDisk();
  const dir = join(await disk.mount("48m"), "sheep");
  {
    await using sheep = await TestSheep.start(dir);
    const { client } = sheep;
    const vid = await create(client, "disk", 1024 * MiB);
    await create(client, "small", 4 * MiB);
    const data = new Uint8Array(4 * MiB).fill(0x77);
    let written = 0;
    let result = 0;
    while (result === 0) {
      const object = { kind: "data", vid, index: written } as const;
      ({ result } = await client.call(objectRequest("createAndWriteObject", object, { data })));
      if (result === 0) await setSlot(client, vid, written, vid);
      if (result === 0) written += 1;
    }
    expect(result).toBe(results.noSpace.code);
    expect(written).toBeGreaterThan(4);
    expect(await readData(client, vid, written, 16)).toBeNull();
    expect(await readData(client, vid, written - 1, data.length)).toEqual(data);
    // Writing in place needs no room.
    const known = { kind: "data", vid, index: 0 } as const;
    const again = await client.call(
      objectRequest("writeObject", known, { data: bytesOf("in place") }),
    );
    expect(again.result).toBe(0);
    expect(await deleteVdi(client, "disk")).toBe(0);
    const fresh = await create(client, "fresh", 64 * MiB);
    for (let index = 0; index < 4; index += 1) await fill(client, fresh, index, data);
    expect(await readData(client, fresh, 3, data.length)).toEqual(data);
  }
  await using sheep = await TestSheep.start(dir);
  expect(await create(sheep.client, "later", 4 * MiB)).toBeGreaterThan(0);
});
