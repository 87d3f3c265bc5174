// Everything that was recorded from a real sheep goes through the codec and comes out byte for byte.
import { describe, expect, test } from "bun:test";
import type { Fields, Struct } from "../../../src/base/struct.ts";
import { ClusterInfoHead, EpochLogEntry } from "../../../src/wire/cluster.ts";
import {
  ClusterRequestHeader,
  ObjectRequestHeader,
  RequestHeader,
  VdiRequestHeader,
} from "../../../src/wire/header.ts";
import { decodeInodeHeader, encodeInodeHeader, inodeHeaderBytes } from "../../../src/wire/inode.ts";
import { NodeRecord } from "../../../src/wire/node.ts";
import { readOid, writeOid } from "../../../src/wire/oid.ts";
import { type OpcodeRow, opcodeOf, opcodes } from "../../../src/wire/opcode.ts";
import { resultRow } from "../../../src/wire/result.ts";
import { lockState, VdiStateRecord, vidsOf } from "../../../src/wire/vdi.ts";
import { type CaptureStep, captureNames, loadCapture } from "../../captures/load.ts";

const steps = captureNames()
  .filter((name) => name !== "three-placement")
  .flatMap((name) => loadCapture(name).steps.map((step) => ({ name, ...step })));

const opcodeAt = RequestHeader.offsets.opcode;
const rowOf = ({ request }: CaptureStep): OpcodeRow | null => {
  const name = opcodeOf(request.header[opcodeAt] ?? 0);
  return name === null ? null : opcodes[name];
};
const answersOf = (opcode: number) =>
  steps.filter(
    ({ request, response }) =>
      request.header[opcodeAt] === opcode && response.header[16] === 0 && response.data !== null,
  );

/** The bytes that a struct makes of what it reads from `data`. */
function throughStruct<F extends Fields>(layout: Struct<F>, data: Uint8Array): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return layout.encode(layout.read(view, 0));
}

describe("request headers", () => {
  const layouts = {
    object: ObjectRequestHeader,
    vdi: VdiRequestHeader,
    cluster: ClusterRequestHeader,
  } as const;

  test("are encoded as they were recorded", () => {
    const known = steps.filter((step) => rowOf(step) !== null);
    const wrong = known.filter((step) => {
      const { header } = step.request;
      const kind = rowOf(step)?.header ?? "object";
      const again = kind === "object" ? throughStruct(layouts.object, header) : null;
      const other = kind === "vdi" ? throughStruct(layouts.vdi, header) : null;
      const encoded = again ?? other ?? throughStruct(layouts.cluster, header);
      return Buffer.compare(encoded, header) !== 0;
    });
    expect(wrong.map(({ name, note }) => `${name}: ${note}`)).toEqual([]);
    expect(known.length).toBeGreaterThan(500);
  });

  test("name objects that are read and written back the same", () => {
    const objects = steps.filter(({ request }) => (request.header[opcodeAt] ?? 0xff) <= 0x05);
    for (const { request } of objects) {
      const view = new DataView(request.header.buffer);
      const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
      if (oid === null) throw new Error("an oid of no kind was recorded");
      const again = new DataView(new ArrayBuffer(8));
      writeOid(again, 0, oid.kind, oid.vid, oid.index);
      const recorded = request.header.subarray(16, 24);
      expect(Buffer.compare(new Uint8Array(again.buffer), recorded)).toBe(0);
    }
    expect(objects.length).toBeGreaterThan(200);
  });
});

describe("answers", () => {
  test("have results that are known", () => {
    const codes = new Set(
      steps.map(({ response }) => new DataView(response.header.buffer).getUint32(16, true)),
    );
    expect([...codes].filter((code) => resultRow(code).code !== code || code > 0xff)).toEqual([]);
    expect(codes.size).toBeGreaterThan(8);
  });

  test("inode headers are encoded as they were recorded", () => {
    const headers = answersOf(opcodes.readObject.code).filter(({ request, response }) => {
      const view = new DataView(request.header.buffer);
      const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
      const { offset } = ObjectRequestHeader.read(view, 0);
      const length = response.data?.length ?? 0;
      return oid?.kind === "inode" && offset === 0 && length >= inodeHeaderBytes;
    });
    const wrong = headers.filter(({ response }) => {
      const data = response.data?.subarray(0, inodeHeaderBytes) ?? new Uint8Array(0);
      return Buffer.compare(encodeInodeHeader(decodeInodeHeader(data)), data) !== 0;
    });
    expect(wrong.map(({ name, note }) => `${name}: ${note}`)).toEqual([]);
    expect(headers.length).toBeGreaterThan(40);
  });

  test("node records, but for the daemon's memory in front", () => {
    for (const { response } of answersOf(opcodes.getNodeList.code)) {
      const data = response.data ?? new Uint8Array(0);
      for (let at = 0; at < data.length; at += NodeRecord.size) {
        const record = data.slice(at, at + NodeRecord.size);
        record.fill(0, 0, 24);
        // What lies between the fields is memory of the daemon as well.
        record.fill(0, 60, 64);
        record.fill(0, 66, 68);
        expect(Buffer.compare(throughStruct(NodeRecord, record), record)).toBe(0);
      }
    }
  });

  test("epoch logs, cluster info and states of VDIs", () => {
    const rows: readonly [number, (data: Uint8Array) => Uint8Array, number][] = [
      [opcodes.statCluster.code, (data) => throughStruct(EpochLogEntry, data), EpochLogEntry.size],
      [opcodes.clusterInfo.code, (data) => throughStruct(ClusterInfoHead, data), 48],
      [opcodes.getVdiCopies.code, (data) => throughStruct(VdiStateRecord, data), 188],
    ];
    for (const [opcode, through, bytes] of rows) {
      const answers = answersOf(opcode);
      expect(answers.length).toBeGreaterThan(0);
      for (const { response } of answers) {
        const data = response.data ?? new Uint8Array(0);
        expect(Buffer.compare(through(data).subarray(0, bytes), data.subarray(0, bytes))).toBe(0);
      }
    }
  });

  test("the holder of a recorded lock is read", () => {
    const step = loadCapture("lock-conflict").steps.find(
      ({ request }) => request.header[opcodeAt] === opcodes.getVdiCopies.code,
    );
    const data = step?.response.data ?? new Uint8Array(0);
    const view = new DataView(data.buffer, data.byteOffset);
    const states = Array.from({ length: data.length / VdiStateRecord.size }, (_, at) =>
      VdiStateRecord.read(view, at * VdiStateRecord.size),
    );
    const locked = states.filter((state) => state.lockState === lockState.locked);
    expect(locked.map(({ vid }) => vid.toString(16))).toEqual(["ed202b"]);
    expect([...(locked[0]?.owner.subarray(12, 18) ?? [])]).toEqual([127, 0, 0, 1, 0x58, 0x1b]);
  });

  test("the bitmap of vids in use", () => {
    const [step] = loadCapture("dog-vdi-list").steps;
    const vids = [...vidsOf(step?.response.data ?? new Uint8Array(0))];
    expect(vids).toEqual([0xe8b18f, 0xe8b190, 0xe8b342]);
  });
});

describe("inode headers that cannot be", () => {
  test("are not believed", () => {
    expect(() => decodeInodeHeader(new Uint8Array(inodeHeaderBytes - 1))).toThrow("4663 bytes");
    for (const at of [560, 564]) {
      const data = new Uint8Array(inodeHeaderBytes);
      data[at + 3] = 1;
      expect(() => decodeInodeHeader(data)).toThrow("inode with vid");
    }
  });

  test("names without a NUL are all of their field", () => {
    const data = new Uint8Array(inodeHeaderBytes).fill(0x61, 0, 512);
    const { name, tag } = decodeInodeHeader(data);
    expect([name.length, tag.length]).toEqual([256, 256]);
  });
});
