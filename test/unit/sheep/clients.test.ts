import { expect, test } from "bun:test";
import { objectRequest, vdiRequest } from "../../../src/wire/header.ts";
import { opcodes, requestFlag } from "../../../src/wire/opcode.ts";
import { results } from "../../../src/wire/result.ts";
import { nameField } from "../../../src/wire/vdi.ts";
import { bytesOf, create, fill, format, setSlot, snapshot } from "../../captures/operations.ts";
import { RawClient } from "../../captures/raw-client.ts";
import { Dice } from "./random.ts";
import { deleteVdi, lookUp, readData, readSlot, TestSheep } from "./world.ts";

const MiB = 1024 * 1024;

test("many clients at once each read what they wrote", async () => {
  await using sheep = await TestSheep.start();
  const vid = await create(sheep.client, "disk", 1024 * MiB);
  const clients = await Promise.all(
    Array.from({ length: 32 }, () => RawClient.connect(sheep.running.address)),
  );
  await Promise.all(
    clients.map(async (client, index) => {
      const data = new Uint8Array(100_000).fill(index + 1);
      await fill(client, vid, index, data);
      for (let round = 0; round < 10; round += 1) {
        expect(await readData(client, vid, index, data.length)).toEqual(data);
      }
    }),
  );
  for (const client of clients) client.reset();
});

test("requests in flight together do not mix up their data", async () => {
  await using sheep = await TestSheep.start();
  const { client } = sheep;
  const base = await create(client, "disk", 1024 * MiB);
  const blocks = Array.from({ length: 40 }, (_, block) => block);
  const dataOf = (block: number, salt: number) => new Uint8Array(5_000).fill(block * 2 + salt);
  await Promise.all(blocks.map((block) => fill(client, base, block, dataOf(block, 0))));
  const vid = await snapshot(client, "disk", base, { tag: "t", vdiSize: 1024 * MiB });
  const copies = blocks.map(async (block) => {
    const object = { kind: "data", vid, index: block, offset: 2_500 } as const;
    const payload = { data: dataOf(block, 1), flags: requestFlag.cow };
    const request = objectRequest("createAndWriteObject", object, payload);
    const view = new DataView(request.header.buffer);
    view.setUint32(24, block, true);
    view.setUint32(28, base, true);
    expect((await client.call(request)).result).toBe(0);
    await setSlot(client, vid, block, vid);
  });
  await Promise.all(copies);
  for (const block of blocks) {
    const expected = new Uint8Array(8_000);
    expected.set(dataOf(block, 0));
    expected.set(dataOf(block, 1), 2_500);
    expect(await readData(client, vid, block, 8_000)).toEqual(expected);
    expect(await readData(client, base, block, 5_000)).toEqual(dataOf(block, 0));
  }
});

test("garbage, half requests and resets leave the sheep serving others", async () => {
  await using sheep = await TestSheep.start();
  const vid = await create(sheep.client, "disk", 16 * MiB);
  await fill(sheep.client, vid, 0, bytesOf("still here"));
  const dice = new Dice();
  for (let round = 0; round < 60; round += 1) {
    const client = await RawClient.connect(sheep.running.address);
    const bytes = Uint8Array.from({ length: 1 + dice.below(400) }, () => dice.below(256));
    // Opcodes that end or wipe the cluster are what they are.
    if (bytes[1] === opcodes.makeFs.code) bytes[1] = 0;
    client.sendBytes(bytes);
    if (dice.below(2) === 0)
      client.sendBytes(
        objectRequest(
          "readObject",
          {
            kind: "data",
            vid,
            index: 0,
          },
          { receiveBytes: 10 },
        ).header.subarray(0, dice.below(48)),
      );
    if (dice.below(3) > 0) await new Promise((resolve) => setImmediate(resolve));
    client.reset();
  }
  expect(await readData(sheep.client, vid, 0, 10)).toEqual(bytesOf("still here"));
});

test("an answer is never longer than the buffer that the client offers", async () => {
  await using sheep = await TestSheep.start();
  await create(sheep.client, "disk", 16 * MiB);
  for (const { code, version, header } of Object.values(opcodes)) {
    if (code === opcodes.makeFs.code) continue;
    for (const offered of [0, 1, 47, 48, 80, 128]) {
      const bytes = objectRequest("readObject", { kind: "data", vid: 1, index: 0 }, {}).header;
      bytes[0] = version;
      bytes[1] = code;
      const view = new DataView(bytes.buffer);
      view.setUint32(12, offered, true);
      view.setUint32(8, code, true);
      // Room for one node in each entry of a log.
      if (header === "cluster") view.setUint32(40, 1, true);
      const reply = await sheep.client.exchange(bytes, null);
      expect([code, offered, reply.data.length <= offered]).toEqual([code, offered, true]);
    }
  }
});

test("a VDI that is deleted takes its data with it, whatever slots are set", async () => {
  await using sheep = await TestSheep.start();
  const { client } = sheep;
  const vid = await create(client, "disk", 64 * MiB);
  await fill(client, vid, 3, bytesOf("data"));
  // Made and never entered in the index.
  const orphan = { kind: "data", vid, index: 5 } as const;
  await client.call(objectRequest("createAndWriteObject", orphan, { data: bytesOf("x") }));
  expect(await deleteVdi(client, "disk")).toBe(0);
  expect(await lookUp(client, "disk")).toBeNull();
  expect(await readData(client, vid, 3, 4)).toBeNull();
  expect(await readData(client, vid, 5, 1)).toBeNull();
});

test("an emptied cluster keeps nothing of the old one", async () => {
  await using sheep = await TestSheep.start();
  const { client } = sheep;
  const vid = await create(client, "disk", 64 * MiB);
  await fill(client, vid, 0, bytesOf("data"));
  await format(client, 0x0c, 2);
  expect(await lookUp(client, "disk")).toBeNull();
  expect(await readData(client, vid, 0, 4)).toBeNull();
  expect(await create(client, "disk", 64 * MiB)).toBe(vid);
  expect(await readSlot(client, vid, 0)).toBe(0);
});

test("a data object of a snapshot is not written, its copy in the working VDI is", async () => {
  await using sheep = await TestSheep.start();
  const { client } = sheep;
  const old = await create(client, "disk", 64 * MiB);
  await fill(client, old, 0, bytesOf("data"));
  await snapshot(client, "disk", old, { tag: "t", vdiSize: 64 * MiB });
  for (const opcode of ["writeObject", "createAndWriteObject"] as const) {
    const object = { kind: "data", vid: old, index: 0 } as const;
    const { result } = await client.call(objectRequest(opcode, object, { data: bytesOf("new") }));
    expect(result).toBe(results.readOnly.code);
  }
  expect(await readData(client, old, 0, 4)).toEqual(bytesOf("data"));
});

test("an erasure code decides over the number of copies that is sent with it", async () => {
  await using sheep = await TestSheep.start();
  const { client } = sheep;
  const rows = [
    { name: "plain", copies: 5, copyPolicy: 0, kept: 5 },
    { name: "coded", copies: 2, copyPolicy: 0x22, kept: 6 },
    { name: "most", copies: 31, copyPolicy: 0x8f, kept: 31 },
  ];
  for (const { name, kept, ...policy } of rows) {
    const fields = { vdiSize: 64 * MiB, ...policy, storePolicy: 1, blockSizeShift: 22 };
    const data = nameField(bytesOf(name));
    const { result, header } = await client.call(vdiRequest("newVdi", fields, { data }));
    expect([name, result, header.getUint8(32)]).toEqual([name, 0, kept]);
  }
});

test("QEMU's way back to a snapshot works: the working VDI goes at once, slots set or not", async () => {
  await using sheep = await TestSheep.start();
  const { client } = sheep;
  const old = await create(client, "disk", 64 * MiB);
  await fill(client, old, 0, bytesOf("old"));
  const working = await snapshot(client, "disk", old, { tag: "t", vdiSize: 64 * MiB });
  await fill(client, working, 1, bytesOf("new"));
  expect(await deleteVdi(client, "disk")).toBe(0);
  const fields = { vdiSize: 64 * MiB, baseVid: old, copies: 1, blockSizeShift: 22 };
  const data = nameField(bytesOf("disk"));
  const { result, header } = await client.call(vdiRequest("newVdi", fields, { data }));
  expect(result).toBe(0);
  const back = header.getUint32(24, true);
  expect(await lookUp(client, "disk")).toBe(back);
  expect(await readSlot(client, back, 0)).toBe(old);
  expect(await readSlot(client, back, 1)).toBe(0);
  expect(await readData(client, old, 0, 3)).toEqual(bytesOf("old"));
  expect(await readData(client, working, 1, 3)).toBeNull();
});
