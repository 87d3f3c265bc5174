import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { statuses } from "../http/world.ts";
import { answerOf, FileWorld } from "./file-world.ts";
import { lockBody } from "./world.ts";

const MiB = 1 << 20;
const sabre = "Content-Type: application/x-sabredav-partialupdate";

function announce(body: string): string {
  return `Content-Length: ${body.length}`;
}

describe("PUT on a volume", () => {
  // S-44, S-45
  // [S-44] [S-45]
  test("writes from its start, leaves the rest, and is answered when it is durable", () => {
    const world = new FileWorld(10_000);
    const before = world.volume.bytes.slice();
    const socket = world.ask("PUT", ["Content-Length: 5"], "hello");
    expect(answerOf(socket).status).toBe(204);
    expect(world.volume.story).toEqual(["0+5", "sync"]);
    before.set(Buffer.from("hello"));
    expect(world.volume.bytes).toEqual(before);
    expect(world.volume.opens).toBe(0);
  });

  // [S-44]
  test("longer than it is refused before a byte is asked for", () => {
    const world = new FileWorld(10_000);
    const socket = world.ask("PUT", ["Content-Length: 10001", "Expect: 100-continue"]);
    expect(statuses(socket.text)).toEqual([507]);
    expect([world.volume.story, world.volume.opens]).toEqual([[], 0]);
  });

  // [S-44]
  test("that turns out longer has written what fits", () => {
    const world = new FileWorld(10_000);
    const chunk = `2000\r\n${"x".repeat(0x2000)}\r\n`;
    const socket = world.ask("PUT", ["Transfer-Encoding: chunked"], `${chunk}${chunk}0\r\n\r\n`);
    expect(answerOf(socket).status).toBe(507);
    expect(Buffer.from(world.volume.bytes).toString("latin1")).toBe("x".repeat(10_000));
    expect(world.volume.opens).toBe(0);
  });

  test("of nothing changes nothing", () => {
    const world = new FileWorld(10_000);
    expect(answerOf(world.ask("PUT", ["Content-Length: 0"])).status).toBe(204);
    expect(world.volume.story).toEqual(["sync"]);
  });

  // S-46
  // [S-46]
  test("whose client dies has written a prefix, in order", () => {
    for (const ending of ["reset", "endClient"] as const) {
      const world = new FileWorld(4 * MiB);
      const before = world.volume.bytes.slice();
      const body = Buffer.alloc(3 * MiB, "abcdefg");
      const socket = world.ask("PUT", [`Content-Length: ${body.length}`]);
      const sent = 2 * MiB + 123_457;
      for (let at = 0; at < sent; at += 100_000) {
        socket.send(body.subarray(at, Math.min(sent, at + 100_000)));
      }
      socket[ending]();
      let length = 0;
      while (world.volume.bytes[length] === body[length]) length += 1;
      expect(length).toBeGreaterThan(sent - limits.davWriteBytes);
      expect(length).toBeLessThanOrEqual(sent + 1);
      const cut = Math.min(length, sent);
      expect(Buffer.from(world.volume.bytes.subarray(cut)).equals(before.subarray(cut))).toBe(true);
      expect(world.volume.story).not.toContain("sync");
      expect([world.volume.opens, world.dav.site.writes.pool.usedBytes]).toEqual([0, 0]);
    }
  });

  // [S-47]
  test("has one write under way at a time, while the next bytes wait with the client", () => {
    const world = new FileWorld(8 * MiB);
    world.volume.writes = [];
    const socket = world.ask("PUT", [`Content-Length: ${6 * MiB}`]);
    const body = Buffer.alloc(6 * MiB, "0123456789abcdef");
    socket.send(body.subarray(0, 5 * MiB));
    const ends: number[] = [];
    for (let turn = 0; turn < 100 && world.volume.writes.length > 0; turn += 1) {
      expect(world.volume.writes).toHaveLength(1);
      expect(world.dav.site.writes.pool.usedBytes).toBe(limits.davWriteBytes);
      const write = world.volume.writes.shift();
      if (write !== undefined) ends.push(write.offset + write.length);
      write?.finish();
      socket.run();
    }
    expect(ends.at(-1)).toBe(5 * MiB);
    // S-47: a client that is silent holds no buffer.
    expect(world.dav.site.writes.pool.usedBytes).toBe(0);
    world.volume.writes = null;
    socket.send(body.subarray(5 * MiB));
    expect(answerOf(socket).status).toBe(204);
    expect(Buffer.from(world.volume.bytes.subarray(0, 6 * MiB)).equals(body)).toBe(true);
    // Most writes are as large as they may be and end where blocks do.
    expect(ends.slice(1).filter((end) => end % MiB !== 0)).toEqual([]);
  });

  // [S-144]
  test("of which nothing comes any more is 408", () => {
    const world = new FileWorld(10_000);
    const socket = world.ask("PUT", ["Content-Length: 9"], "half");
    world.http.pass(limits.httpBodySilenceMs + 2 * limits.httpSweepMs, socket);
    expect(answerOf(socket).status).toBe(408);
    expect(world.volume.opens).toBe(0);
  });

  test("that the cluster fails has the cluster's error, and the connection ends", () => {
    const world = new FileWorld(4 * MiB);
    world.volume.writes = [];
    const socket = world.ask("PUT", [`Content-Length: ${3 * MiB}`]);
    socket.send(Buffer.alloc(2 * MiB));
    world.volume.writes[0]?.finish(new SheepfsError("no_space", "the cluster is full"));
    socket.run();
    expect([answerOf(socket).status, answerOf(socket).body.toString()]).toEqual([
      507,
      "the cluster is full\n",
    ]);
    expect([socket.ended, world.volume.opens]).toEqual([true, 0]);
  });
});

describe("writing a range", () => {
  // S-43
  // [S-43]
  test("changes that range and nothing else", () => {
    const cases: readonly (readonly [method: string, fields: readonly string[], offset: number])[] =
      [
        ["PUT", ["Content-Range: bytes 4094-4098/10000"], 4_094],
        ["PUT", ["Content-Range: bytes 0-4/*"], 0],
        ["PUT", ["Content-Range: bytes 9995-9999/10000"], 9_995],
        ["PATCH", ["X-Update-Range: bytes=4094-4098", sabre], 4_094],
        ["PATCH", ["X-Update-Range: bytes=77-", sabre], 77],
        ["PATCH", ["X-Update-Range: bytes=-5", sabre], 9_995],
      ];
    for (const [method, fields, offset] of cases) {
      const world = new FileWorld(10_000);
      const expected = world.volume.bytes.slice();
      expected.set(Buffer.from("hello"), offset);
      const socket = world.ask(method, [...fields, announce("hello")], "hello");
      expect(answerOf(socket).status).toBe(204);
      expect(world.volume.bytes).toEqual(expected);
      expect(world.volume.story.at(-1)).toBe("sync");
    }
  });

  const refused: readonly (readonly [
    what: string,
    method: string,
    fields: readonly string[],
    status: number,
  ])[] = [
    ["shorter than the body", "PUT", ["Content-Range: bytes 0-3/10000"], 400],
    ["longer than the body", "PUT", ["Content-Range: bytes 0-5/10000"], 400],
    ["of a file of another size", "PUT", ["Content-Range: bytes 0-4/10001"], 400],
    ["without a total", "PUT", ["Content-Range: bytes 0-4"], 400],
    ["without numbers", "PUT", ["Content-Range: bytes */10000"], 400],
    ["across the end", "PUT", ["Content-Range: bytes 9998-10002/*"], 416],
    ["behind the end", "PUT", ["Content-Range: bytes 20000-20004/*"], 416],
    ["of a patch longer than its body", "PATCH", ["X-Update-Range: bytes=0-5", sabre], 400],
    ["of a patch across the end", "PATCH", ["X-Update-Range: bytes=9998-", sabre], 416],
    ["of a patch behind the file", "PATCH", ["X-Update-Range: append", sabre], 416],
    ["of a patch before the file", "PATCH", ["X-Update-Range: bytes=-20000", sabre], 400],
    ["of a patch that is none", "PATCH", ["X-Update-Range: all", sabre], 400],
    ["of a patch that is not there", "PATCH", [sabre], 400],
    ["of a patch of another kind", "PATCH", ["X-Update-Range: bytes=0-4"], 415],
  ];
  for (const [what, method, fields, status] of refused) {
    test(`${what} is ${status}, with nothing written or asked for`, () => {
      const world = new FileWorld(10_000);
      const expects = [...fields, announce("hello"), "Expect: 100-continue"];
      const socket = world.ask(method, expects);
      expect(statuses(socket.text)).toEqual([status]);
      expect([world.volume.story, world.volume.opens]).toEqual([[], 0]);
    });
  }

  test("of a body that is not announced is refused", () => {
    const cases = [
      ["PUT", "Content-Range: bytes 0-4/10000", 400],
      ["PATCH", "X-Update-Range: bytes=0-4", 411],
    ] as const;
    for (const [method, field, status] of cases) {
      const world = new FileWorld(10_000);
      const fields = [field, sabre, "Transfer-Encoding: chunked"];
      const socket = world.ask(method, fields, "5\r\nhello\r\n0\r\n\r\n");
      expect(answerOf(socket).status).toBe(status);
      expect(world.volume.story).toEqual([]);
    }
  });

  test("is refused when a condition does not hold", () => {
    const world = new FileWorld(10_000);
    const fields = ["Content-Range: bytes 0-4/10000", announce("hello")];
    const stale = world.ask("PUT", [...fields, 'If-Match: "zero"'], "hello");
    expect([answerOf(stale).status, world.volume.story]).toEqual([412, []]);
    expect(answerOf(world.ask("PUT", [...fields, 'If-Match: "one"'], "hello")).status).toBe(204);
  });
});

describe("PUT on other things", () => {
  // S-49
  // [S-49]
  test("a control file takes lines, and an empty body does nothing", () => {
    const world = new FileWorld(0);
    expect(answerOf(world.ask("PUT", [announce("web1\n")], "web1\n", "/vdi/mount")).status).toBe(
      204,
    );
    expect(answerOf(world.ask("PUT", ["Content-Length: 0"], "", "/vdi/mount")).status).toBe(204);
    expect(world.dav.commands).toEqual(["web1\n"]);
  });

  // [S-49]
  test("a control file takes no more than a little, and no ranges", () => {
    const world = new FileWorld(0);
    const long = "x".repeat(limits.davCommandBytesMax + 1);
    const chunks = `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`;
    const cases = [
      world.ask("PUT", [announce(long)], long, "/vdi/mount"),
      world.ask("PUT", ["Transfer-Encoding: chunked"], chunks, "/vdi/mount"),
      world.ask("PUT", ["Content-Range: bytes 0-0/1", announce("x")], "x", "/vdi/mount"),
      world.ask("PATCH", ["X-Update-Range: append", sabre, announce("x")], "x", "/vdi/mount"),
    ];
    expect(cases.map((socket) => answerOf(socket).status)).toEqual([413, 413, 400, 400]);
    expect(world.dav.commands).toEqual([]);
  });

  test("is refused where nothing can be written", () => {
    const world = new FileWorld(10_000);
    const put = (target: string): number =>
      answerOf(world.ask("PUT", [announce("x")], "x", target)).status;
    expect(
      ["/cluster/info", "/volume/big@1", "/paced", "/", "/paced/new", "/none/new", "/paced/v/"].map(
        put,
      ),
    ).toEqual([403, 403, 405, 405, 403, 409, 405]);
  });

  // S-65
  // [S-65]
  test("what macOS leaves beside files is not kept", () => {
    const world = new FileWorld(10_000);
    for (const name of ["/scratch/.DS_Store", "/scratch/._a", "/paced/._v"]) {
      expect(answerOf(world.ask("PUT", [announce("x")], "x", name)).status).toBe(403);
      expect(answerOf(world.ask("GET", [], "", name)).status).toBe(404);
    }
    expect(answerOf(world.ask("PUT", [announce("x")], "x", "/scratch/a")).status).toBe(201);
    for (const method of ["COPY", "MOVE"]) {
      const to = ["Destination: /scratch/._a"];
      expect(answerOf(world.ask(method, to, "", "/scratch/a")).status).toBe(403);
    }
    expect(answerOf(world.ask("MKCOL", [], "", "/scratch/._a")).status).toBe(403);
    const body = lockBody("exclusive");
    expect(answerOf(world.ask("LOCK", [announce(body)], body, "/scratch/._a")).status).toBe(403);
    expect(answerOf(world.ask("GET", [], "", "/scratch/._a")).status).toBe(404);
  });

  test("a file of the scratch collection becomes what was sent, and no more", () => {
    const world = new FileWorld(0);
    const put = (body: string): number =>
      answerOf(world.ask("PUT", [announce(body)], body, "/scratch/a")).status;
    expect([put("a long text"), put("short")]).toEqual([201, 204]);
    expect(answerOf(world.ask("GET", [], "", "/scratch/a")).body.toString()).toBe("short");
    const patch = ["X-Update-Range: append", sabre, announce("er")];
    expect(answerOf(world.ask("PATCH", patch, "er", "/scratch/a")).status).toBe(204);
    expect(answerOf(world.ask("GET", [], "", "/scratch/a")).body.toString()).toBe("shorter");
  });
});
