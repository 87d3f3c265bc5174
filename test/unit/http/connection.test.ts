import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import type { HttpResponse } from "../../../src/http/exchange.ts";
import { echo, HttpWorld, plain, statuses } from "./world.ts";

const get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

function put(target: string, body: string, ...fields: readonly string[]): string {
  const lines = [`PUT ${target} HTTP/1.1`, "Host: h", `Content-Length: ${body.length}`, ...fields];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

function chunked(...chunks: readonly string[]): string {
  return `PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join("")}`;
}

describe("requests and answers", () => {
  test("an answer has date, server and length, and the connection stays", () => {
    const world = new HttpWorld(() => plain("hello"));
    const socket = world.connect();
    socket.send(get);
    expect(socket.text).toBe(
      "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:21 GMT\r\nServer: test\r\n" +
        "Content-Length: 5\r\n\r\nhello",
    );
    expect(socket.ended).toBe(false);
    socket.clear();
    socket.send(get);
    expect(statuses(socket.text)).toEqual([200]);
  });

  test("a request that comes byte by byte is the same request", () => {
    const world = new HttpWorld(echo);
    const socket = world.connect();
    const stream = `\r\n${put("/one", "body one")}${chunked("4;x=y\r\nwiki\r\n", "0\r\nT: x\r\n\r\n")}${get}`;
    for (const byte of stream) socket.send(byte);
    expect(socket.text.match(/body one|wiki/g)).toEqual(["body one", "wiki"]);
    expect(world.requests.map(({ target }) => target)).toEqual(["/one", "/c", "/a"]);
  });

  test("pipelined requests are answered one after the other, in order", () => {
    const held: PromiseWithResolvers<HttpResponse>[] = [];
    const world = new HttpWorld(() => {
      const answer = Promise.withResolvers<HttpResponse>();
      held.push(answer);
      return answer.promise;
    });
    const socket = world.connect();
    socket.send(get.repeat(3));
    expect(held).toHaveLength(1);
    for (const text of ["one", "two", "three"]) {
      held.shift()?.resolve(plain(text));
      socket.run();
    }
    expect(socket.text.match(/one|two|three/g)).toEqual(["one", "two", "three"]);
  });

  test("what nobody has asked for yet is kept to a bound, then the client has to wait", () => {
    const world = new HttpWorld(() => new Promise<HttpResponse>(() => {}));
    const socket = world.connect();
    socket.send(get + "x".repeat(1 << 20));
    expect(socket.paused).toBe(true);
    expect(socket.unread).toBeGreaterThan((1 << 20) - 3 * limits.httpReadBytes);
  });

  test("HEAD has the length of a body and none", () => {
    const world = new HttpWorld(() => plain("hello"));
    const socket = world.connect();
    socket.send(`HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n${get}`);
    const [head = "", rest = ""] = socket.text.split("\r\n\r\n");
    expect(head).toContain("Content-Length: 5");
    expect(rest).toStartWith("HTTP/1.1 200");
  });

  test("204 and 304 have neither body nor length", () => {
    const bodies: HttpResponse[] = [204, 304].map((status) => ({
      status,
      headers: [],
      body: null,
    }));
    const world = new HttpWorld(() => bodies.shift() ?? plain(""));
    const socket = world.connect();
    socket.send(get + get);
    expect(statuses(socket.text)).toEqual([204, 304]);
    expect(socket.text).not.toContain("Content-Length");
  });

  test("a client of HTTP/1.0 is answered and the connection ended", () => {
    const world = new HttpWorld(() => plain("hello"));
    const socket = world.connect();
    socket.send("GET /a HTTP/1.0\r\n\r\n");
    expect(socket.text).toEndWith("Connection: close\r\n\r\nhello");
    expect(socket.ended).toBe(true);
  });

  test("who has ended its direction still gets its answers", () => {
    const held = Promise.withResolvers<HttpResponse>();
    const world = new HttpWorld(() => held.promise);
    const socket = world.connect();
    socket.send(get);
    socket.endClient();
    expect(socket.ended).toBe(false);
    held.resolve(plain("late"));
    socket.run();
    expect(socket.text).toEndWith("late");
    expect(socket.destroyed).toBe(true);
  });

  test("a handler that throws is answered with 500 and says nothing of why", () => {
    const world = new HttpWorld(() => {
      throw new Error("secret");
    });
    const socket = world.connect();
    socket.send(get);
    expect(statuses(socket.text)).toEqual([500]);
    expect(socket.text).not.toContain("secret");
  });

  test("a field that would break out of its line is never sent", () => {
    const world = new HttpWorld(() => ({ status: 200, headers: [["X", "a\r\nY: b"]], body: null }));
    const socket = world.connect();
    socket.send(get);
    expect(socket.text).not.toContain("Y: b");
    expect(statuses(socket.text)).toEqual([500]);
  });
});

describe("what is refused", () => {
  const cases: readonly (readonly [what: string, sent: string, status: number])[] = [
    ["a lone LF at the end of a line", "GET / HTTP/1.1\nHost: h\n\n", 400],
    ["a request line without end", `GET /${"a".repeat(9000)}`, 414],
    ["header fields without end", `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(4000)}`, 431],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["TLS where there is none", "\x16\x03\x01\x02\x00\x01\x00\n\x01\xfc\x03\x03", 400],
  ];
  for (const [what, sent, status] of cases) {
    test(`${what}, and the connection ends`, () => {
      const world = new HttpWorld(() => plain(""));
      const socket = world.connect();
      socket.send(sent);
      expect(statuses(socket.text)).toEqual([status]);
      expect(socket.text).toContain("Connection: close");
      expect(socket.ended).toBe(true);
      expect(world.requests).toEqual([]);
      expect(world.refused).toMatchObject([{ peer: socket.peer, status }]);
      expect(sent).toStartWith(world.refused[0]?.line ?? "none");
      expect(world.refused[0]?.line).not.toContain("\n");
    });
  }

  test("nothing behind a refused request is looked at", () => {
    const world = new HttpWorld(() => plain(""));
    const socket = world.connect();
    socket.send(`GET / HTTP/1.1\r\n\r\n${get}`);
    expect(statuses(socket.text)).toEqual([400]);
    expect(world.requests).toEqual([]);
  });
});

describe("bodies", () => {
  test("100 Continue is sent when the body is first asked for, and only then", () => {
    const asked = Promise.withResolvers<void>();
    const world = new HttpWorld(async (request) => {
      await asked.promise;
      return await echo(request);
    });
    const socket = world.connect();
    socket.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    expect(socket.text).toBe("");
    asked.resolve();
    socket.run();
    expect(socket.text).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.send("body");
    expect(statuses(socket.text)).toEqual([100, 200]);
    expect(socket.text).toEndWith("body");
  });

  test("a refusal without reading ends the connection of who waits for 100 Continue", () => {
    const world = new HttpWorld(() => ({ status: 507, headers: [], body: "no\n" }));
    const socket = world.connect();
    socket.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    expect(statuses(socket.text)).toEqual([507]);
    expect(socket.ended).toBe(true);
  });

  test("a small body that nobody reads is thrown away and the connection kept", () => {
    const world = new HttpWorld(() => plain("no"));
    const socket = world.connect();
    socket.send(put("/a", "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"));
    socket.send(get);
    expect(world.requests.map(({ target }) => target)).toEqual(["/a", "/a"]);
    expect(socket.ended).toBe(false);
  });

  test("a large one ends the connection, after the client could read its answer", () => {
    const world = new HttpWorld(() => ({ status: 403, headers: [], body: "no\n" }));
    const socket = world.connect();
    socket.send(put("/a", "x".repeat(limits.httpDrainBytesMax + 1)));
    expect(statuses(socket.text)).toEqual([403]);
    expect([socket.ended, socket.destroyed]).toEqual([true, false]);
    world.pass(limits.httpLingerMs + 2 * limits.httpSweepMs, socket);
    expect(socket.destroyed).toBe(true);
  });

  test("chunks are joined, whatever they are cut into", () => {
    const world = new HttpWorld(echo);
    const socket = world.connect();
    socket.send(chunked("1\r\na\r\n", "00A\r\n0123456789\r\n", "000\r\n\r\n"));
    expect(socket.text).toEndWith("\r\n\r\na0123456789");
    expect(socket.ended).toBe(false);
  });

  const broken: readonly (readonly [what: string, chunks: string])[] = [
    ["a size that is no number", "xyz\r\n"],
    ["no size", "\r\n"],
    ["a signed size", "-1\r\n"],
    ["a size with too many digits", "00000000000001\r\n"],
    ["a size that ends in LF alone", "1\na\r\n0\r\n\r\n"],
    ["a size with a blank in it", "1 0\r\na\r\n0\r\n\r\n"],
    ["data longer than the size", "1\r\nab\r\n0\r\n\r\n"],
    ["an extension without end", `1;${"x".repeat(limits.httpChunkLineBytesMax)}`],
    ["trailers without end", `0\r\n${"X: y\r\n".repeat(3000)}`],
    ["a trailer that ends in LF alone", "0\r\nX: y\n\r\n"],
  ];
  for (const [what, chunks] of broken) {
    test(`${what} in chunks fails the body and ends the connection`, () => {
      const failures: unknown[] = [];
      const world = new HttpWorld(async (request) => {
        try {
          return await echo(request);
        } catch (thrown) {
          failures.push(thrown);
          return { status: 400, headers: [], body: "bad\n" };
        }
      });
      const socket = world.connect();
      socket.send(chunked(chunks) + get);
      expect(failures.map((one) => one instanceof SheepfsError && one.code)).toEqual(["invalid"]);
      expect(statuses(socket.text)).toEqual([400]);
      expect(socket.ended).toBe(true);
    });
  }

  test("chunks of one byte take no more than their part of a turn", () => {
    const taken: number[] = [];
    const world = new HttpWorld(async ({ body }) => {
      const into = new Uint8Array(1 << 20);
      for (let count = body.take(into, 0, into.length); count >= 0; ) {
        taken.push(count);
        if (count === 0) await body.more();
        count = body.take(into, 0, into.length);
      }
      return plain("done");
    });
    const socket = world.connect();
    const count = 500_000;
    socket.send(chunked("1\r\nx\r\n".repeat(count), "0\r\n\r\n"));
    expect(statuses(socket.text)).toEqual([200]);
    expect(taken.reduce((sum, one) => sum + one, 0)).toBe(count);
    expect(Math.max(...taken)).toBeLessThan(limits.httpFrameReadsMax * limits.httpReadBytes);
  });

  test("a client that dies within a body fails it", () => {
    const cases = [
      ["endClient", "invalid"],
      ["reset", "cancelled"],
    ] as const;
    for (const [how, code] of cases) {
      const failures: unknown[] = [];
      const world = new HttpWorld(async (request) => {
        try {
          return await echo(request);
        } catch (thrown) {
          failures.push(thrown);
          throw thrown;
        }
      });
      const socket = world.connect();
      socket.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
      socket[how]();
      expect(failures.map((one) => one instanceof SheepfsError && one.code)).toEqual([code]);
    }
  });
});

describe("time", () => {
  test("who never sends a whole head is cut off, however often it sends a byte", () => {
    const world = new HttpWorld(() => plain(""));
    const socket = world.connect();
    for (let at = 0; at < 30 && !socket.destroyed; at += 1) {
      socket.send(at === 0 ? "GET / HTTP/1.1\r\n" : "X");
      world.pass(1_000, socket);
    }
    expect(socket.destroyed).toBe(true);
  });

  test("an idle connection is kept for its time, then closed", () => {
    const world = new HttpWorld(() => plain(""));
    const socket = world.connect();
    socket.send(get);
    world.pass(limits.httpIdleTimeoutMs - 2 * limits.httpSweepMs, socket);
    expect(socket.destroyed).toBe(false);
    expect(world.server.stats()).toEqual({ connections: 1, idle: 1 });
    world.pass(4 * limits.httpSweepMs, socket);
    expect(socket.destroyed).toBe(true);
    expect(world.server.stats().connections).toBe(0);
    expect(world.clock.pending).toBe(0);
  });

  test("a body of which nothing comes any more fails", () => {
    const failures: unknown[] = [];
    const world = new HttpWorld(async (request) => {
      try {
        return await echo(request);
      } catch (thrown) {
        failures.push(thrown);
        return { status: 408, headers: [], body: null };
      }
    });
    const socket = world.connect();
    socket.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
    world.pass(limits.httpBodySilenceMs + 2 * limits.httpSweepMs, socket);
    expect(failures.map((one) => one instanceof SheepfsError && one.code)).toEqual(["timed_out"]);
    expect(statuses(socket.text)).toEqual([408]);
    expect(socket.ended).toBe(true);
  });

  test("a reader may be as slow as it likes, but not take nothing at all", () => {
    const world = new HttpWorld(() => plain("x".repeat(1_000)));
    const socket = world.connect();
    socket.room = 100;
    socket.send(get);
    for (let at = 0; at < 5; at += 1) {
      world.pass(limits.httpStallMs - 4 * limits.httpSweepMs, socket);
      socket.take(10);
      expect(socket.destroyed).toBe(false);
    }
    world.pass(limits.httpStallMs + 2 * limits.httpSweepMs, socket);
    expect(socket.destroyed).toBe(true);
  });

  test("a handler that is slow is waited for", () => {
    const held = Promise.withResolvers<HttpResponse>();
    const world = new HttpWorld(() => held.promise);
    const socket = world.connect();
    socket.send(get);
    world.pass(10 * limits.httpIdleTimeoutMs, socket);
    held.resolve(plain("at last"));
    socket.run();
    expect(socket.text).toEndWith("at last");
  });
});

describe("a server", () => {
  test("refuses connections beyond its limit", () => {
    const world = new HttpWorld(() => plain(""));
    for (let at = 0; at < limits.httpConnectionsMax; at += 1) world.connect();
    const socket = world.connect();
    expect(statuses(socket.text)).toEqual([503]);
    expect(world.refused).toMatchObject([{ line: "", status: 503 }]);
    expect(socket.ended).toBe(true);
  });

  test("that stops closes idle connections at once and lets requests end", async () => {
    const held = Promise.withResolvers<HttpResponse>();
    const world = new HttpWorld(() => held.promise);
    const busy = world.connect();
    const idle = world.connect();
    busy.send(get);
    const stopped = world.server.stop(new CancelScope(world.clock.nowMs() + 10_000));
    expect([idle.destroyed, busy.destroyed]).toEqual([true, false]);
    held.resolve(plain("done"));
    busy.run();
    expect(busy.text).toContain("Connection: close");
    expect(busy.text).toEndWith("done");
    world.clock.settle(stopped);
    expect(busy.destroyed).toBe(true);
  });

  test("that stops waits for no client whose answer is under way to ask for more", () => {
    const world = new HttpWorld(() => plain("hello"));
    const busy = world.connect();
    busy.room = 20;
    busy.send(get + get);
    const stopped = world.server.stop(new CancelScope(world.clock.nowMs() + 10_000));
    busy.take(10_000);
    expect(busy.text).toEndWith("hello");
    expect(world.requests).toHaveLength(1);
    expect(busy.ended).toBe(true);
    world.clock.settle(stopped);
  });

  test("that stops cuts off what does not end in time", () => {
    const world = new HttpWorld(() => new Promise<HttpResponse>(() => {}));
    const busy = world.connect();
    busy.send(get);
    world.clock.settle(world.server.stop(new CancelScope(world.clock.nowMs() + 10_000)));
    expect(busy.destroyed).toBe(true);
    expect(world.requests[0]?.scope.cancelled).toBe(true);
  });
});
