import { join } from "node:path";
import { type Logger, silentLogger } from "../../../src/base/log.ts";
import { type RunningSheep, startSheep } from "../../../src/sheep/server.ts";
import { objectRequest, vdiRequest } from "../../../src/wire/header.ts";
import { slotOffset } from "../../../src/wire/inode.ts";
import { results } from "../../../src/wire/result.ts";
import { nameAndTag } from "../../../src/wire/vdi.ts";
import { bytesOf } from "../../captures/operations.ts";
import { RawClient } from "../../captures/raw-client.ts";
import { TemporaryFolder } from "../../support/process.ts";

/** A sheep in this process, with one client. */
export class TestSheep implements AsyncDisposable {
  readonly client: RawClient;
  readonly running: RunningSheep;
  readonly #folder: TemporaryFolder | null;
  #stopped = false;

  private constructor(running: RunningSheep, client: RawClient, folder: TemporaryFolder | null) {
    this.running = running;
    this.client = client;
    this.#folder = folder;
  }

  /** In a directory of its own, or in one that outlives it. */
  static async start(dir: string | null = null, log: Logger = silentLogger): Promise<TestSheep> {
    const folder = dir === null ? new TemporaryFolder() : null;
    const listen = { host: "127.0.0.1", port: 0 };
    const place = dir ?? join(folder?.path ?? "", "sheep");
    const running = await startSheep({ dir: place, listen, copies: 1, log });
    return new TestSheep(running, await RawClient.connect(running.address), folder);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.running.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.reset();
    await this.stop();
    this.#folder?.[Symbol.dispose]();
  }
}

/** The bytes of part of a data object; null when there is no such object. */
export async function readData(
  client: RawClient,
  vid: number,
  index: number,
  length: number,
  offset = 0,
): Promise<Uint8Array | null> {
  const object = { kind: "data", vid, index, offset } as const;
  const reply = await client.call(objectRequest("readObject", object, { receiveBytes: length }));
  if (reply.result === results.noObject.code) return null;
  if (reply.result !== 0) throw new Error(`read answered 0x${reply.result.toString(16)}`);
  return reply.data;
}

export async function readSlot(client: RawClient, vid: number, index: number): Promise<number> {
  const inode = { kind: "inode", vid, index: 0, offset: slotOffset(index) } as const;
  const reply = await client.call(objectRequest("readObject", inode, { receiveBytes: 4 }));
  return new DataView(reply.data.buffer, reply.data.byteOffset).getUint32(0, true);
}

export async function deleteVdi(client: RawClient, name: string, tag = ""): Promise<number> {
  const data = nameAndTag(bytesOf(name), bytesOf(tag));
  const { result } = await client.call(vdiRequest("deleteVdi", {}, { data }));
  return result;
}

/** The vid of a working VDI or of a snapshot; null when there is none. */
export async function lookUp(client: RawClient, name: string, tag = ""): Promise<number | null> {
  const data = nameAndTag(bytesOf(name), bytesOf(tag));
  const { result, header } = await client.call(vdiRequest("getVdiInfo", {}, { data }));
  return result === 0 ? header.getUint32(24, true) : null;
}
