import { describe, expect, test } from "bun:test";
import { errorTable, SheepfsError } from "../../../src/base/errors.ts";
import { InHeader, ReadIn, RenameIn } from "../../../src/fuse/abi.ts";
import { errno, errnoOf } from "../../../src/fuse/errno.ts";
import { HandleTable } from "../../../src/fuse/handles.ts";
import {
  isLongEnough,
  messageNameOf,
  messageNames,
  messageTable,
  printMessage,
} from "../../../src/fuse/messages.ts";
import { parseMountOptions } from "../../../src/fuse/mount-options.ts";
import { parseMountInfo } from "../../../src/fuse/mountinfo.ts";
import { NodeTable } from "../../../src/fuse/nodes.ts";
import { messageBytes, nameBytes } from "./kernel.ts";
import { MemoryDir, MemoryVolume } from "./memory-tree.ts";

describe("errno", () => {
  test("every way to fail has a number of its own system's", () => {
    const known = new Set<number>(Object.values(errno));
    for (const code of Object.keys(errorTable)) {
      expect(known.has(errnoOf[code as keyof typeof errnoOf])).toBe(true);
    }
  });
});

describe("messages", () => {
  test("every opcode is there once", () => {
    const opcodes = messageNames.map((name) => messageTable[name].opcode);
    expect(new Set(opcodes).size).toBe(opcodes.length);
    for (const name of messageNames) expect(messageNameOf(messageTable[name].opcode)).toBe(name);
    expect(messageNameOf(7)).toBe(null);
  });

  test("a message has its struct and a NUL for each name", () => {
    expect(isLongEnough("LOOKUP", InHeader.size)).toBe(false);
    expect(isLongEnough("LOOKUP", InHeader.size + 1)).toBe(true);
    expect(isLongEnough("RENAME", InHeader.size + RenameIn.size + 1)).toBe(false);
    expect(isLongEnough("RENAME", InHeader.size + RenameIn.size + 2)).toBe(true);
  });

  test("is printed with its fields and names", () => {
    const read = ReadIn.encode({
      ...{ fhLow: 3, fhHigh: 0, offsetLow: 4_096, offsetHigh: 1, size: 512 },
      ...{ readFlags: 0, flags: 0 },
    });
    const { READ, RENAME, LOOKUP } = messageTable;
    expect(printMessage(messageBytes(READ.opcode, 8, 2, read))).toBe(
      `8 READ nodeid=2 pid=1 fh=3 offset=${2 ** 32 + 4_096} size=512 readFlags=0 flags=0`,
    );
    const rename = Buffer.concat([new Uint8Array(8), nameBytes("old", "new\n")]);
    expect(printMessage(messageBytes(RENAME.opcode, 10, 1, rename))).toBe(
      '10 RENAME nodeid=1 pid=1 newDir=0 "old" "new\\n"',
    );
    expect(printMessage(messageBytes(LOOKUP.opcode, 12, 1, new Uint8Array(0)))).toContain("cut");
    expect(printMessage(new Uint8Array(3))).toBe("a message of 3 bytes");
    expect(printMessage(messageBytes(999, 14, 1, new Uint8Array(2)))).toContain("opcode 999");
  });
});

describe("nodes", () => {
  test("keep their nodeid while looked up, and never share one", () => {
    const root = new MemoryDir({});
    const nodes = new NodeTable(root, null);
    const volumes = [new MemoryVolume(512), new MemoryVolume(512)];
    const ids = volumes.map((volume, index) => nodes.remember(volume, 1, `v${index}`));
    expect(new Set([1, ...ids]).size).toBe(3);
    const [first] = ids;
    const [volume] = volumes;
    if (first === undefined || volume === undefined) throw new Error("two were made");
    expect(nodes.remember(volume, 1, "v0")).toBe(first);
    nodes.forget(first, 1);
    expect(nodes.get(first)).toBe(volume);
    nodes.forget(first, 5);
    expect(() => nodes.get(first)).toThrow(SheepfsError);
    expect(nodes.nodeIdOf(volume.id)).toBe(null);
    expect(nodes.remember(volume, 1, "v0")).toBeGreaterThan(Math.max(...ids));
  });

  test("are saved with what finds them again", () => {
    const nodes = new NodeTable(new MemoryDir({}), null);
    const nodeId = nodes.remember(new MemoryVolume(512), 1, "disk");
    expect(JSON.parse(JSON.stringify(nodes.save()))).toEqual([
      { is: "node", node: { nodeId, parentNodeId: 1, name: "disk" } },
    ]);
  });
});

describe("handles", () => {
  test("a number is good until its release and not after", () => {
    const handles = new HandleTable(null);
    const file = new MemoryVolume(512).open();
    const handle = { kind: "file", nodeId: 2, mode: "readwrite", file, text: null } as const;
    const first = handles.add(handle);
    expect(handles.file(first.low, first.high)).toBe(handle);
    expect(handles.dir(first.low, first.high)).toBe(null);
    const saved = { ...first, nodeId: 2, kind: "file", mode: "readwrite", text: null } as const;
    expect(handles.save()).toEqual([{ is: "opened", handle: { ...saved, unfinished: false } }]);
    expect(handles.remove(first.low, first.high)).toBe(handle);
    expect(handles.remove(first.low, first.high)).toBe(null);
    const second = handles.add(handle);
    expect(handles.file(first.low, first.high)).toBe(null);
    expect(handles.file(second.low, second.high)).toBe(handle);
    expect(handles.size).toBe(1);
    expect(handles.clear()).toEqual([handle]);
    expect(handles.size).toBe(0);
  });
});

describe("mount options", () => {
  test("are understood", () => {
    expect(parseMountOptions("ro,allow_other,uid=1000,gid=100,umask=027,noatime,nofail")).toEqual({
      readOnly: true,
      allowOther: true,
      nonEmpty: false,
      uid: 1000,
      gid: 100,
      umask: 0o27,
      source: "sheepfs",
      maxReadBytes: null,
      timeoutMs: 60_000,
      flagWords: ["noatime"],
    });
    const times = {
      "30s": 30_000,
      "5m": 300_000,
      "2h": 7_200_000,
      "45": 45_000,
      forever: Number.POSITIVE_INFINITY,
    };
    for (const [text, timeoutMs] of Object.entries(times)) {
      expect(parseMountOptions(`timeout=${text}`)).toMatchObject({ timeoutMs });
    }
    for (const text of ["0", "0s", "-1", "1.5", "never", "30 s", "9999999"]) {
      expect(() => parseMountOptions(`timeout=${text}`)).toThrow("timeout=30s");
    }
    expect(parseMountOptions("")).toMatchObject({ readOnly: false, allowOther: false });
    expect(parseMountOptions("fsname=prod,max_read=131072,x-systemd.automount")).toMatchObject({
      source: "prod",
      maxReadBytes: 131_072,
    });
  });

  const bad = [
    ["allow_roots", "allow_roots"],
    ["ro=1", "takes no value"],
    ["uid", "uid=VALUE"],
    ["uid=root", "whole number"],
    ["umask=99", "octal"],
    ["max_read=17", "4096"],
    ["fsname=", "name"],
    ["toString", "toString"],
    ["constructor=1", "constructor"],
  ] as const;
  for (const [text, named] of bad) {
    test(`'${text}' is refused with what is wrong`, () => {
      expect(() => parseMountOptions(`ro,${text}`)).toThrow(named);
    });
  }
});

test("mountinfo is read with escaped paths and optional fields", () => {
  const text = [
    "36 35 0:45 / /mnt/with\\040space rw,nosuid shared:7 - fuse.sheepfs sheepfs rw,user_id=0",
    "37 35 0:46 / /mnt/\\303\\244 rw - ext4 /dev/sda1 rw",
    "",
    "nonsense",
  ].join("\n");
  expect(parseMountInfo(text)).toEqual([
    {
      ...{ mountpoint: "/mnt/with space", type: "fuse.sheepfs", source: "sheepfs" },
      ...{ device: "0:45", owner: 0 },
    },
    { mountpoint: "/mnt/ä", type: "ext4", source: "/dev/sda1", device: "0:46", owner: null },
  ]);
});
