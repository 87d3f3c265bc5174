import { ClusterRequestHeader, objectRequest, vdiRequest } from "../../src/wire/header.ts";
import { slotOffset } from "../../src/wire/inode.ts";
import { opcodes, requestFlag } from "../../src/wire/opcode.ts";
import { nameField } from "../../src/wire/vdi.ts";
import type { RawClient } from "./raw-client.ts";

// What clients do in several requests, for tests that need it done.

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export async function succeed(reply: Promise<{ readonly result: number }>): Promise<void> {
  const { result } = await reply;
  if (result !== 0) throw new Error(`setup answered 0x${result.toString(16)}`);
}

/** Formats as MAKE_FS does over the wire. */
export async function format(client: RawClient, flags: number, copies = 1): Promise<void> {
  const { code, version } = opcodes.makeFs;
  const data = bytesOf("plain\0");
  const header = ClusterRequestHeader.encode({
    version,
    opcode: code,
    flags: requestFlag.write,
    dataLength: data.length,
    copies,
    clusterFlags: flags,
    ctime: new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0x65]),
  });
  await succeed(client.exchange(header, data));
}

export async function create(client: RawClient, name: string, vdiSize: number): Promise<number> {
  const request = vdiRequest("newVdi", { vdiSize }, { data: nameField(bytesOf(name)) });
  const reply = await client.call(request);
  return reply.header.getUint32(24, true);
}

/** An object of its own with these bytes at its start, and the slot that names it. */
export async function fill(
  client: RawClient,
  vid: number,
  index: number,
  data: Uint8Array,
): Promise<void> {
  const object = { kind: "data", vid, index } as const;
  await succeed(client.call(objectRequest("createAndWriteObject", object, { data })));
  await setSlot(client, vid, index, vid);
}

export async function setSlot(
  client: RawClient,
  vid: number,
  index: number,
  value: number,
): Promise<void> {
  const inode = { kind: "inode", vid, index: 0, offset: slotOffset(index) } as const;
  const data = new Uint8Array(new Uint32Array([value]).buffer);
  await succeed(client.call(objectRequest("writeObject", inode, { data })));
}

export async function snapshot(
  client: RawClient,
  name: string,
  vid: number,
  about: { readonly tag: string; readonly vdiSize: number },
): Promise<number> {
  const inode = { kind: "inode", vid, index: 0, offset: 256 } as const;
  const tag = nameField(bytesOf(about.tag));
  await succeed(client.call(objectRequest("writeObject", inode, { data: tag })));
  const fields = { vdiSize: about.vdiSize, baseVid: vid, copies: 1, blockSizeShift: 22, snapId: 1 };
  const data = nameField(bytesOf(name));
  const reply = await client.call(vdiRequest("newVdi", fields, { data }));
  return reply.header.getUint32(24, true);
}
