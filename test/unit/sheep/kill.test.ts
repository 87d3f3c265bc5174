import { expect, test } from "bun:test";
import { join } from "node:path";
import { objectRequest } from "../../../src/wire/header.ts";
import { slotOffset } from "../../../src/wire/inode.ts";
import { requestFlag } from "../../../src/wire/opcode.ts";
import { bytesOf, create, snapshot } from "../../captures/operations.ts";
import { RawClient } from "../../captures/raw-client.ts";
import { type Child, start, TemporaryFolder } from "../../support/process.ts";
import { Dice } from "./random.ts";
import { deleteVdi, lookUp, readData, readSlot } from "./world.ts";

const program = join(import.meta.dirname, "sheep-program.ts");
const MiB = 1024 * 1024;
const blocks = 16;
const readBytes = 64;

async function boot(dir: string): Promise<{ child: Child; client: RawClient }> {
  const child = start([process.execPath, program, dir]);
  const port = await child.until(({ stdout }) => /port (\d+)/.exec(stdout)?.[1] ?? null, "port");
  const client = await RawClient.connect({ host: "127.0.0.1", port: Number(port) });
  return { child, client };
}

/** What was acknowledged: a VDI's vid, and what each of its blocks begins with. */
interface Model {
  vid: number;
  readonly slots: number[];
  /** By vid and block. */
  readonly objects: Map<string, Uint8Array>;
}

const key = (vid: number, block: number): string => `${vid}/${block}`;

function content(dice: Dice): Uint8Array {
  const bytes = new Uint8Array(readBytes);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = dice.below(256);
  return bytes;
}

/** Writes a block as clients do: in place, or a new object and then its slot. */
async function writeBlock(client: RawClient, model: Model, dice: Dice): Promise<void> {
  const block = dice.below(blocks);
  const data = content(dice);
  const { vid } = model;
  const owner = model.slots[block] ?? 0;
  const object = { kind: "data", vid, index: block } as const;
  if (owner === vid) {
    await client.call(objectRequest("writeObject", object, { data }));
    model.objects.set(key(vid, block), data);
    return;
  }
  const request = objectRequest("createAndWriteObject", object, {
    data,
    flags: owner === 0 ? 0 : requestFlag.cow,
  });
  if (owner !== 0) {
    const view = new DataView(request.header.buffer);
    view.setUint32(24, block, true);
    view.setUint32(28, owner, true);
  }
  await client.call(request);
  const inode = { kind: "inode", vid, index: 0, offset: slotOffset(block) } as const;
  const slot = new Uint8Array(new Uint32Array([vid]).buffer);
  await client.call(objectRequest("writeObject", inode, { data: slot }));
  model.objects.set(key(vid, block), data);
  model.slots[block] = vid;
}

async function check(client: RawClient, model: Model): Promise<void> {
  expect(await lookUp(client, "disk")).toBe(model.vid);
  for (let block = 0; block < blocks; block += 1) {
    const owner = model.slots[block] ?? 0;
    expect(await readSlot(client, model.vid, block)).toBe(owner);
    if (owner === 0) continue;
    const data = await readData(client, owner, block, readBytes);
    expect(data).toEqual(model.objects.get(key(owner, block)) ?? null);
  }
}

// [S-4]
test("what was acknowledged is there after the process was killed", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "sheep");
  const dice = new Dice();
  const model: Model = { vid: 0, slots: [], objects: new Map() };
  let tags = 0;
  for (let round = 0; round < 6; round += 1) {
    const { child, client } = await boot(dir);
    await using _child = child;
    if (round === 0) model.vid = await create(client, "disk", 64 * MiB);
    await check(client, model);
    for (let step = dice.below(40); step >= 0; step -= 1) {
      if (dice.below(8) > 0) {
        await writeBlock(client, model, dice);
        continue;
      }
      tags += 1;
      const about = { tag: `t${tags}`, vdiSize: 64 * MiB };
      model.vid = await snapshot(client, "disk", model.vid, about);
      if (dice.below(2) === 0) expect(await deleteVdi(client, "disk", about.tag)).toBe(0);
    }
    // In the middle of whatever these are doing, of which nothing was acknowledged.
    const unanswered = create(client, `left${round}`, MiB).catch(() => 0);
    child.kill("SIGKILL");
    await Promise.all([child.exit(), unanswered]);
  }
});

test("an object that was removed and made again is there after the process was killed", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "sheep");
  const object = { kind: "data", vid: 0x123456, index: 7 } as const;
  const made = bytesOf("made again");
  {
    const { child, client } = await boot(dir);
    await using _child = child;
    await client.call(objectRequest("createAndWriteObject", object, { data: bytesOf("first") }));
    await client.call(objectRequest("removeObject", object, {}));
    expect(await readData(client, object.vid, 7, 5)).toBeNull();
    // Once before and once after the first file is really gone.
    await client.call(objectRequest("flushVdi", object, {}));
    await client.call(objectRequest("createAndWriteObject", object, { data: bytesOf("second") }));
    await client.call(objectRequest("removeObject", object, {}));
    await client.call(objectRequest("createAndWriteObject", object, { data: made }));
    child.kill("SIGKILL");
    await child.exit();
  }
  const { child, client } = await boot(dir);
  await using _child = child;
  expect(await readData(client, object.vid, 7, made.length)).toEqual(made);
});
