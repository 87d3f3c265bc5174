import { expect, test } from "bun:test";
import { headerBytes } from "../../../src/wire/header.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { failure, success } from "../../simulate/cluster.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

const at = { opcode: 1, id: 8, dataLength: 12 } as const;

test("replies in any order and any cut reach the reader that asked", async () => {
  for (const cutBytes of [3, 40, 5_000, 1 << 20]) {
    await using world = new World({ seed: cutBytes });
    world.network.weather.cutBytes = cutBytes;
    const content = pattern(1 << 20, 5);
    world.cluster.objects.set(keyOf(0), content);
    world.first.script.delayMs = () => world.network.random.below(50);
    const reads = Array.from({ length: 100 }, (_, number) => {
      const length = number % 10 === 0 && cutBytes > 1000 ? 256 * 1024 : 1 + number * 7;
      return new TestRequest(world.scope(), { kind: "read", offset: number * 513, length });
    });
    for (const read of reads) world.client.store.submit(read);
    expect(world.clock.until(() => reads.every((read) => read.dones > 0))).toBe(true);
    for (const read of reads) {
      expect(read.error).toBeNull();
      expect(read.data).toEqual(content.subarray(read.offset, read.offset + read.length));
      expect(read.buffer.subarray(0, read.at).every((byte) => byte === 0xee)).toBe(true);
      expect(read.buffer.subarray(read.at + read.length).every((byte) => byte === 0xee)).toBe(true);
    }
  }
});

test("an answer that is lent is not copied into the buffer", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  const read = new TestRequest(world.scope(), { kind: "read", length: 4096 });
  let lent: Uint8Array | null = null;
  read.lend = (bytes, place) => {
    lent = bytes.slice(place, place + 4096);
    return true;
  };
  expect(world.run(read)).toBeNull();
  expect(lent as Uint8Array | null).toEqual(pattern(1 << 20, 1).subarray(0, 4096));
  expect(read.data.every((byte) => byte === 0xee)).toBe(true);
});

interface Fault {
  readonly name: string;
  garble(reply: Uint8Array<ArrayBuffer>): Uint8Array;
}

function edited(reply: Uint8Array<ArrayBuffer>, edit: (view: DataView) => void): Uint8Array {
  edit(new DataView(reply.buffer));
  return reply;
}

const faults: readonly Fault[] = [
  {
    name: "a byte too short",
    garble: (reply) =>
      edited(reply.slice(0, -1), (view) =>
        view.setUint32(at.dataLength, view.byteLength - 48, true),
      ),
  },
  {
    name: "without its data",
    garble: (reply) =>
      edited(reply.slice(0, headerBytes), (view) => view.setUint32(at.dataLength, 0, true)),
  },
  {
    name: "a byte too long",
    garble: (reply) => {
      const longer = new Uint8Array(reply.length + 1);
      longer.set(reply);
      return edited(longer, (view) => view.setUint32(at.dataLength, reply.length - 47, true));
    },
  },
  {
    name: "said to be 4 GiB long",
    garble: (reply) => edited(reply, (view) => view.setUint32(at.dataLength, 0xffff_ffff, true)),
  },
  {
    name: "of another operation",
    garble: (reply) => edited(reply, (view) => view.setUint8(at.opcode, opcodes.writeObject.code)),
  },
  {
    name: "with an id that was never sent",
    garble: (reply) => edited(reply, (view) => view.setUint32(at.id, 0x7777_7777, true)),
  },
  {
    name: "that is no reply at all",
    garble: () => new TextEncoder().encode(`HTTP/1.1 400 Bad Request\r\n${" ".repeat(100)}`),
  },
];

for (const { name, garble } of faults) {
  // [S-11]
  test(`a reply ${name} never reaches a reader: the read is asked again`, async () => {
    await using world = new World();
    const content = pattern(1 << 20, 9);
    world.cluster.objects.set(keyOf(0), content);
    let left = 2;
    world.first.script.garble = (reply, request) => {
      if (request.opcode !== opcodes.readObject.code || left === 0) return reply;
      left -= 1;
      return garble(reply);
    };
    for (const length of [4096, 300_000]) {
      left = 2;
      const read = new TestRequest(world.scope(), { kind: "read", offset: 7, length });
      expect(world.run(read)).toBeNull();
      expect(read.data).toEqual(content.subarray(7, 7 + length));
      expect(read.lends).toBeLessThanOrEqual(1);
      expect(left).toBe(0);
    }
  });
}

test("a reply that comes twice is not taken for another request's", async () => {
  for (const lateBy of ["at once", "with the next answer"]) {
    await using world = new World();
    world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
    world.cluster.objects.set(keyOf(1), pattern(1 << 20, 2));
    const sent: Uint8Array[] = [];
    world.first.script.garble = (reply, request) => {
      if (request.opcode !== opcodes.readObject.code) return reply;
      sent.push(reply.slice());
      if (sent.length > 2 || (lateBy === "at once" && sent.length > 1)) return reply;
      if (lateBy !== "at once" && sent.length === 1) return reply;
      // The first answer comes again, then the one that is due.
      const twice = new Uint8Array(reply.length * 2);
      twice.set(sent[0] ?? reply);
      twice.set(reply, reply.length);
      return twice;
    };
    const first = new TestRequest(world.scope(), { kind: "read", index: 0, length: 512 });
    const second = new TestRequest(world.scope(), { kind: "read", index: 1, length: 512 });
    first.onDone = () => world.client.store.submit(second);
    world.client.store.submit(first);
    expect(world.clock.until(() => second.dones > 0)).toBe(true);
    expect(second.data).toEqual(pattern(1 << 20, 2).subarray(0, 512));
    expect([first.dones, second.dones]).toEqual([1, 1]);
  }
});

test("a sheep whose answers never fit ends the read as corrupt, not for ever", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  world.first.script.garble = (reply, request) =>
    request.opcode === opcodes.readObject.code
      ? edited(reply, (view) => view.setUint8(at.opcode, opcodes.flushVdi.code))
      : reply;
  const read = new TestRequest(world.scope(), { kind: "read", length: 512 });
  expect(world.run(read)?.code).toBe("corrupt");
  expect(read.data.every((byte) => byte === 0xee)).toBe(true);
});

test("an error that comes with data is told, and the replies behind it are right", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  for (const length of [4096, 300_000]) {
    world.first.script.instead = (request) => {
      if (request.key !== keyOf(5)) return null;
      return { result: 0x02, data: new Uint8Array(request.length).fill(0xdd) };
    };
    const missing = new TestRequest(world.scope(), { kind: "read", index: 5, length });
    const good = new TestRequest(world.scope(), { kind: "read", index: 0, length });
    world.client.store.submit(missing);
    world.client.store.submit(good);
    expect(world.clock.until(() => missing.dones + good.dones === 2)).toBe(true);
    expect(missing.error?.code).toBe("stale");
    expect(missing.data.every((byte) => byte === 0xee)).toBe(true);
    expect(good.error).toBeNull();
    expect(good.data).toEqual(pattern(1 << 20, 1).subarray(0, length));
  }
});

test("a write whose success comes with data is corrupt", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), new Uint8Array(1 << 20));
  world.first.script.instead = ({ opcode, length }) =>
    opcode === opcodes.writeObject.code && length > 0 ? success(new Uint8Array(3)) : null;
  const write = new TestRequest(world.scope(), { kind: "write", data: pattern(512, 3) });
  expect(world.run(write)?.code).toBe("corrupt");
});

test("a snapshot and a missing object keep their own codes", async () => {
  await using world = new World();
  world.first.script.instead = () => failure(0x1a);
  const write = new TestRequest(world.scope(), { kind: "write", data: pattern(512, 3) });
  world.first.script.instead = (request) =>
    request.opcode === opcodes.writeObject.code ? failure(0x1a) : null;
  expect(world.run(write)?.code).toBe("read_only");
  expect(write.error?.inDoubt).toBe(false);
  const read = new TestRequest(world.scope(), { kind: "read", length: 512 });
  expect(world.run(read)?.code).toBe("stale");
});
