import { expect, test } from "bun:test";
import { objectRequest, vdiRequest } from "../../../src/wire/header.ts";
import { slotOffset } from "../../../src/wire/inode.ts";
import { requestFlag } from "../../../src/wire/opcode.ts";
import { nameField } from "../../../src/wire/vdi.ts";
import { bytesOf, create, setSlot, snapshot } from "../../captures/operations.ts";
import type { RawClient } from "../../captures/raw-client.ts";
import { TemporaryFolder } from "../../support/process.ts";
import { Dice } from "./random.ts";
import { deleteVdi, readData, TestSheep } from "./world.ts";

const MiB = 1024 * 1024;
const blocks = 6;

/** One inode: what it names in each block, and what it is to read there. */
interface Image {
  readonly name: string;
  readonly tag: string;
  readonly vid: number;
  readonly isSnapshot: boolean;
  readonly slots: number[];
  readonly bytes: number[];
}

async function write(client: RawClient, image: Image, block: number, byte: number): Promise<void> {
  const { vid } = image;
  const owner = image.slots[block] ?? 0;
  const object = { kind: "data", vid, index: block } as const;
  const data = new Uint8Array([byte]);
  const isCopy = owner !== 0 && owner !== vid;
  const opcode = owner === vid ? "writeObject" : "createAndWriteObject";
  const request = objectRequest(opcode, object, { data, flags: isCopy ? requestFlag.cow : 0 });
  const view = new DataView(request.header.buffer);
  if (isCopy) view.setUint32(24, block, true);
  if (isCopy) view.setUint32(28, owner, true);
  expect((await client.call(request)).result).toBe(0);
  if (owner !== vid) await setSlot(client, vid, block, vid);
  image.slots[block] = vid;
  image.bytes[block] = byte;
}

async function discard(client: RawClient, image: Image, block: number): Promise<void> {
  const inode = { kind: "inode", vid: image.vid, index: 0, offset: slotOffset(block) } as const;
  await client.call(objectRequest("writeObject", inode, { data: new Uint8Array(4) }));
  image.slots[block] = 0;
  image.bytes[block] = 0;
}

async function clone(client: RawClient, from: Image, name: string): Promise<Image> {
  const fields = { vdiSize: 64 * MiB, baseVid: from.vid, copies: 1, blockSizeShift: 22 };
  const data = nameField(bytesOf(name));
  const { header, result } = await client.call(vdiRequest("newVdi", fields, { data }));
  expect(result).toBe(0);
  const vid = header.getUint32(24, true);
  return { ...from, name, tag: "", vid, isSnapshot: false, ...copies(from) };
}

function copies({ slots, bytes }: Image): { slots: number[]; bytes: number[] } {
  return { slots: [...slots], bytes: [...bytes] };
}

/** Every object that any image names is there with its bytes, and no other is. */
async function check(client: RawClient, images: readonly Image[], vids: ReadonlySet<number>) {
  const named = new Set<string>();
  for (const image of images) {
    for (let block = 0; block < blocks; block += 1) {
      const owner = image.slots[block] ?? 0;
      if (owner === 0) continue;
      named.add(`${owner}/${block}`);
      const data = await readData(client, owner, block, 1);
      expect([image.name, image.tag, block, data?.[0]]).toEqual([
        image.name,
        image.tag,
        block,
        image.bytes[block],
      ]);
    }
  }
  for (const vid of vids) {
    for (let block = 0; block < blocks; block += 1) {
      const isThere = (await readData(client, vid, block, 1)) !== null;
      expect([vid, block, isThere]).toEqual([vid, block, named.has(`${vid}/${block}`)]);
    }
  }
}

test("an object stays as long as any image names it, and goes with the last one", async () => {
  const dice = new Dice();
  using folder = new TemporaryFolder();
  let sheep = await TestSheep.start(folder.path);
  const vid = await create(sheep.client, "disk", 64 * MiB);
  let images: Image[] = [{ name: "disk", tag: "", vid, isSnapshot: false, slots: [], bytes: [] }];
  const vids = new Set([vid]);
  let names = 0;
  for (let step = 0; step < 300; step += 1) {
    const { client } = sheep;
    const working = images.filter(({ isSnapshot }) => !isSnapshot);
    const snapshots = images.filter(({ isSnapshot }) => isSnapshot);
    const action = dice.below(20);
    names += 1;
    if (working.length === 0) {
      const fresh = await create(client, `new${names}`, 64 * MiB);
      vids.add(fresh);
      images.push({
        name: `new${names}`,
        tag: "",
        vid: fresh,
        isSnapshot: false,
        slots: [],
        bytes: [],
      });
    } else if (action < 10) {
      await write(client, dice.pick(working), dice.below(blocks), 1 + dice.below(255));
    } else if (action < 12) {
      await discard(client, dice.pick(working), dice.below(blocks));
    } else if (action < 15) {
      const image = dice.pick(working);
      const tag = `t${names}`;
      const next = await snapshot(client, image.name, image.vid, { tag, vdiSize: 64 * MiB });
      vids.add(next);
      images = images.filter((one) => one !== image);
      images.push({ ...image, tag, isSnapshot: true }, { ...image, vid: next, ...copies(image) });
    } else if (action < 17 && snapshots.length > 0 && images.length < 12) {
      const made = await clone(client, dice.pick(snapshots), `c${names}`);
      vids.add(made.vid);
      images.push(made);
    } else if (action < 19 && images.length > 1) {
      const image = dice.pick(images);
      expect(await deleteVdi(client, image.name, image.tag)).toBe(0);
      images = images.filter((one) => one !== image);
    } else {
      await sheep[Symbol.asyncDispose]();
      sheep = await TestSheep.start(folder.path);
    }
    if (step % 10 === 9) await check(sheep.client, images, vids);
  }
  await sheep[Symbol.asyncDispose]();
}, 60_000);
