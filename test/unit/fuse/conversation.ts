import { expect } from "bun:test";
import {
  EntryOut,
  OpenIn,
  OpenOut,
  ReadIn,
  ReleaseIn,
  SetattrIn,
  WriteIn,
} from "../../../src/fuse/abi.ts";
import { nameBytes, type TestKernel } from "./kernel.ts";
import { MemoryControl, MemoryDir, MemoryText, MemoryTree, MemoryVolume } from "./memory-tree.ts";

export const root = 1;
export const volumeBytes = 1 << 20;

export interface Fh {
  readonly fhLow: number;
  readonly fhHigh: number;
}

export function world(options: { act?: (line: string) => void; volume?: MemoryVolume } = {}) {
  const volume = options.volume ?? new MemoryVolume(volumeBytes);
  const info = new MemoryText("Cluster status: running\n");
  const control = new MemoryControl(options.act ?? (() => {}));
  const tree = new MemoryTree(
    new MemoryDir({
      cluster: new MemoryDir({ info }),
      vdi: new MemoryDir({ mount: control }),
      volume: new MemoryDir({ test: volume }),
    }),
  );
  return { tree, volume };
}

export async function walk(kernel: TestKernel, path: string): Promise<number> {
  let nodeId = root;
  for (const name of path.split("/")) {
    const reply = await kernel.ask("LOOKUP", nodeId, nameBytes(name));
    expect(reply.error).toBe(0);
    nodeId = EntryOut.read(reply.view, 0).nodeId;
  }
  return nodeId;
}

export async function open(kernel: TestKernel, nodeId: number, flags: number): Promise<Fh> {
  const reply = await kernel.ask("OPEN", nodeId, OpenIn.encode({ flags, openFlags: 0 }));
  expect(reply.error).toBe(0);
  return OpenOut.read(reply.view, 0);
}

export const readBody = ({ fhLow, fhHigh }: Fh, offset: number, size: number): Uint8Array =>
  ReadIn.encode({
    fhLow,
    fhHigh,
    offsetLow: offset >>> 0,
    offsetHigh: Math.floor(offset / 2 ** 32),
    size,
    readFlags: 0,
    flags: 0,
  });

export const writeBody = ({ fhLow, fhHigh }: Fh, offset: number, data: Uint8Array): Uint8Array =>
  Buffer.concat([
    WriteIn.encode({
      fhLow,
      fhHigh,
      offsetLow: offset >>> 0,
      offsetHigh: Math.floor(offset / 2 ** 32),
      size: data.length,
      writeFlags: 0,
      flags: 0,
    }),
    data,
  ]);

export const releaseBody = ({ fhLow, fhHigh }: Fh): Uint8Array =>
  ReleaseIn.encode({ fhLow, fhHigh, flags: 0, releaseFlags: 0 });

export const setattrBody = (values: {
  valid: number;
  mode?: number;
  uid?: number;
  size?: number;
}) =>
  SetattrIn.encode({
    valid: values.valid,
    fhLow: 0,
    fhHigh: 0,
    sizeLow: values.size ?? 0,
    sizeHigh: 0,
    mode: values.mode ?? 0,
    uid: values.uid ?? 0,
    gid: 0,
  });
