import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { answerOf, FileWorld } from "./file-world.ts";
import { lost } from "./paced-volume.ts";

const piece = limits.davReadBytes;

describe("reading ranges", () => {
  // S-42
  // [S-42]
  test("gives exactly the bytes asked for and reads no others", () => {
    const cases: readonly (readonly [range: string, offset: number, length: number])[] = [
      ["bytes=5-9", 5, 5],
      ["bytes=-7", 9_993, 7],
      ["bytes=9990-", 9_990, 10],
      ["bytes=9990-20000", 9_990, 10],
    ];
    for (const [range, offset, length] of cases) {
      const world = new FileWorld(10_000);
      const { status, fields, body } = answerOf(world.ask("GET", [`Range: ${range}`]));
      expect(status).toBe(206);
      expect(fields.get("content-range")).toBe(`bytes ${offset}-${offset + length - 1}/10000`);
      expect(fields.get("content-length")).toBe(String(length));
      expect(body.equals(world.volume.bytes.subarray(offset, offset + length))).toBe(true);
      expect(world.volume.asked).toEqual([{ offset, length }]);
      expect(world.volume.opens).toBe(0);
    }
  });

  // [S-42]
  test("outside of the file is 416 with its size, and nothing is read", () => {
    const world = new FileWorld(10_000);
    const { status, fields } = answerOf(world.ask("GET", ["Range: bytes=10000-"]));
    expect([status, fields.get("content-range")]).toEqual([416, "bytes */10000"]);
    expect([world.volume.asked, world.volume.opens]).toEqual([[], 0]);
  });

  // [S-42]
  test("several of them come as parts, each with its place", () => {
    const world = new FileWorld(10_000);
    const { status, fields, body } = answerOf(world.ask("GET", ["Range: bytes=0-4,100-103,-2"]));
    const type = fields.get("content-type") ?? "";
    const boundary = type.split("boundary=")[1] ?? "";
    expect([status, type.split(";")[0]]).toEqual([206, "multipart/byteranges"]);
    expect(fields.get("content-length")).toBe(String(body.length));
    const parts = body.toString("latin1").split(`--${boundary}`);
    expect(parts.at(-1)).toBe("--\r\n");
    const found = parts.slice(1, -1).map((part) => {
      const [head = "", data = ""] = part.split("\r\n\r\n");
      const place = /Content-Range: (.*)/.exec(head)?.[1]?.trim();
      return [place, Buffer.from(data.slice(0, -2), "latin1").toString("hex")];
    });
    const hex = (from: number, end: number): string =>
      Buffer.from(world.volume.bytes.subarray(from, end)).toString("hex");
    expect(found).toEqual([
      ["bytes 0-4/10000", hex(0, 5)],
      ["bytes 100-103/10000", hex(100, 104)],
      ["bytes 9998-9999/10000", hex(9_998, 10_000)],
    ]);
    expect(world.volume.opens).toBe(0);
  });

  test("HEAD has the size and the validators, ignores Range, and reads nothing", () => {
    const world = new FileWorld(10_000);
    const { status, fields, body } = answerOf(world.ask("HEAD", ["Range: bytes=0-1"]));
    expect([status, fields.get("content-length"), body.length]).toEqual([200, "10000", 0]);
    expect(fields.get("accept-ranges")).toBe("bytes");
    expect(fields.get("etag")).toBe('"one"');
    expect(fields.get("last-modified")).toBe("Tue, 14 Nov 2023 22:13:20 GMT");
    expect([world.volume.asked, world.volume.opens]).toEqual([[], 0]);
  });

  test("counts only if the file is still that of If-Range", () => {
    const world = new FileWorld(10_000);
    const fields = ["Range: bytes=0-1", 'If-Range: "one"'];
    expect(answerOf(world.ask("GET", fields)).status).toBe(206);
    world.volume.tag = "two";
    const changed = answerOf(world.ask("GET", fields));
    expect([changed.status, changed.body.length]).toEqual([200, 10_000]);
  });

  test("an unchanged file is 304 and not read", () => {
    const world = new FileWorld(10_000);
    const { status, fields } = answerOf(world.ask("GET", ['If-None-Match: "zero", "one"']));
    expect([status, fields.get("etag"), world.volume.opens]).toEqual([304, '"one"', 0]);
  });

  test("an empty file is 200 without a body, and any range of it 416", () => {
    const world = new FileWorld(0);
    const whole = answerOf(world.ask("GET"));
    expect([whole.status, whole.fields.get("content-length")]).toEqual([200, "0"]);
    expect(answerOf(world.ask("GET", ["Range: bytes=0-"])).status).toBe(416);
    expect(world.volume.opens).toBe(0);
  });
});

describe("long answers", () => {
  test("are whole, whether answers are lent or not and however little the client takes", () => {
    for (const lends of [true, false]) {
      for (const step of [1_000, piece, piece + 1, 10 * piece]) {
        const world = new FileWorld(5 * piece + 17);
        world.volume.lends = lends;
        const socket = world.connect();
        socket.room = 0;
        socket.send("GET /paced/v HTTP/1.1\r\nHost: h\r\n\r\n");
        for (
          let turn = 0;
          turn < 1_000 && socket.bytes.length < world.volume.bytes.length;
          turn += 1
        ) {
          socket.take(step);
        }
        socket.take(1_000_000);
        expect(answerOf(socket).body.equals(world.volume.bytes)).toBe(true);
        expect([world.volume.opens, world.dav.site.reads.pool.usedBytes]).toEqual([0, 0]);
      }
    }
  });

  test("come in order, in whatever order the reads are answered", () => {
    const world = new FileWorld(6 * piece);
    world.volume.reads = [];
    const socket = world.ask("GET");
    while (world.volume.reads.length > 0) world.volume.answer(world.volume.reads.length - 1);
    expect(answerOf(socket).body.equals(world.volume.bytes)).toBe(true);
  });

  // S-47
  // [S-47]
  test("read no further ahead of a client than a few pieces", () => {
    const world = new FileWorld(64 * piece);
    const socket = world.connect();
    socket.room = 1_000;
    socket.send("GET /paced/v HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(world.volume.asked).toHaveLength(limits.davReadsAheadMax);
    expect(world.dav.site.reads.pool.usedBytes).toBe(limits.davReadsAheadMax * piece);
  });

  // S-47
  // [S-47]
  test("of clients that take nothing keep nobody else waiting", () => {
    const world = new FileWorld(2 * piece);
    const slow = Array.from({ length: 400 }, () => {
      const socket = world.connect();
      socket.room = 1_000;
      socket.send("GET /paced/v HTTP/1.1\r\nHost: h\r\n\r\n");
      return socket;
    });
    expect(world.dav.site.reads.pool.usedBytes).toBe(limits.davReadBytesMax);
    expect(answerOf(world.ask("GET")).body.equals(world.volume.bytes)).toBe(true);
    // And what was given up is read again when it is wanted.
    for (const socket of slow) {
      socket.take(10 * piece);
      expect(answerOf(socket).body.equals(world.volume.bytes)).toBe(true);
    }
    expect([world.volume.opens, world.dav.site.reads.pool.usedBytes]).toEqual([0, 0]);
  });

  test("wait in line when every buffer is under way", () => {
    const world = new FileWorld(piece);
    world.volume.reads = [];
    const sockets = Array.from({ length: 300 }, () => world.ask("GET"));
    expect(world.volume.reads).toHaveLength(limits.davReadBytesMax / piece);
    while (world.volume.reads.length > 0) world.volume.answer(0);
    for (const socket of sockets) {
      expect(answerOf(socket).body.equals(world.volume.bytes)).toBe(true);
    }
  });

  test("leave nothing behind when the client goes", () => {
    const world = new FileWorld(8 * piece);
    world.volume.reads = [];
    const socket = world.ask("GET");
    const under = [...world.volume.reads];
    world.volume.answer(1);
    socket.reset();
    expect(under[0]?.scope.cancelled).toBe(true);
    while (world.volume.reads.length > 0) world.volume.answer(0, lost());
    expect([world.volume.opens, world.dav.site.reads.pool.usedBytes]).toEqual([0, 0]);
  });
});

describe("a read that fails", () => {
  test("before the first byte is an answer with the reason", () => {
    const world = new FileWorld(piece);
    world.volume.reads = [];
    const socket = world.ask("GET", ["Range: bytes=0-9"]);
    world.volume.answer(0, lost());
    const { status, body } = answerOf(socket);
    expect([status, body.toString()]).toEqual([503, "no gateway answered\n"]);
    expect([world.volume.opens, socket.ended]).toEqual([0, false]);
  });

  test("later ends the connection, so that nobody takes a part for the whole", () => {
    const world = new FileWorld(2 * piece);
    world.volume.reads = [];
    const socket = world.ask("GET");
    world.volume.answer(0);
    world.volume.answer(0, lost());
    expect(answerOf(socket).body.length).toBe(piece);
    expect([socket.destroyed, world.volume.opens]).toEqual([true, 0]);
  });
});

test("a text is sent as it is, and by ranges", () => {
  const world = new FileWorld(0);
  const whole = answerOf(world.ask("GET", [], "", "/cluster/info"));
  expect([whole.status, whole.body.toString()]).toEqual([200, "one\n"]);
  expect(whole.fields.get("content-type")).toBe("text/plain; charset=utf-8");
  const part = answerOf(world.ask("GET", ["Range: bytes=1-2"], "", "/cluster/info"));
  expect([part.status, part.body.toString()]).toEqual([206, "ne"]);
});
