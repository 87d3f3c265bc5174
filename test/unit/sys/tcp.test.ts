import { expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { LinkWatcher, soon, TestNetwork } from "./links.ts";

/** A server of the system's own making, on a free port; closed when disposed. */
async function serve(onSocket: (socket: Socket) => void, host = "127.0.0.1") {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    to: { host, port: address.port },
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("many megabytes come back as they were sent, with writes that are taken in part", async () => {
  using server = await serve((socket) => socket.pipe(socket));
  using network = new TestNetwork();
  const total = 48 << 20;
  const sent = new Uint8Array(total);
  for (let at = 0; at < total; at += 1) sent[at] = (at * 31 + (at >>> 11)) & 0xff;
  const got = new Uint8Array(total);
  let written = 0;
  let received = 0;
  const done = Promise.withResolvers<void>();
  const watcher = new LinkWatcher(network.transport, server.to);
  const { link } = watcher;
  let partial = 0;
  const push = (): void => {
    while (written < total) {
      // Head and body of changing lengths, so that a write is cut in either.
      const headLength = Math.min(48, total - written);
      const bodyLength = Math.min(1 << 20, total - written - headLength);
      const body = bodyLength > 0 ? sent : null;
      const bodyAt = written + headLength;
      const taken = link.write(sent, written, headLength, body, bodyAt, bodyLength);
      written += taken;
      if (taken < headLength + bodyLength) {
        partial += 1;
        return;
      }
    }
  };
  watcher.onWritable = push;
  watcher.onReadable = () => {
    received += link.read(got, received, total - received);
    if (received === total) done.resolve();
  };
  await watcher.opened;
  push();
  await done.promise;
  expect(partial).toBeGreaterThan(0);
  expect(Bun.hash(got)).toBe(Bun.hash(sent));
  link.destroy();
});

test("nothing is told before connect returns; open comes first and a clean end last", async () => {
  using server = await serve((socket) => socket.end("bye"));
  using network = new TestNetwork();
  const watcher = new LinkWatcher(network.transport, server.to);
  const into = new Uint8Array(16);
  const reads: number[] = [];
  watcher.onReadable = () => reads.push(watcher.link.read(into, 0, into.length));
  expect(await watcher.closed).toBeNull();
  expect(watcher.events.slice(0, 2)).toEqual(["connect returned", "open"]);
  expect(watcher.events.at(-1)).toBe("close");
  expect(reads.filter((count) => count !== 0)).toEqual([3, -1]);
  expect(watcher.link.read(into, 0, 1)).toBe(0);
  expect(watcher.link.write(into, 0, 1, null, 0, 0)).toBe(0);
});

test("a refused connection says that no sheep listens there", async () => {
  using network = new TestNetwork();
  const gone = await serve(() => {});
  gone[Symbol.dispose]();
  const watcher = new LinkWatcher(network.transport, gone.to);
  const why = await watcher.closed;
  expect(why?.code).toBe("unavailable");
  expect(why?.message).toBe(`connection refused: no sheep listens at 127.0.0.1:${gone.to.port}`);
  expect(watcher.events).toEqual(["connect returned", "close unavailable"]);
});

test("a connection that breaks says so", async () => {
  using server = await serve((socket) => socket.resetAndDestroy());
  using network = new TestNetwork();
  const watcher = new LinkWatcher(network.transport, server.to);
  const into = new Uint8Array(16);
  watcher.onReadable = () => watcher.link.read(into, 0, into.length);
  const why = await watcher.closed;
  expect(why?.code).toBe("unavailable");
  expect(why?.message).toContain(`127.0.0.1:${server.to.port}`);
  expect(why?.message).toContain("reset");
});

test("a host by name is connected, at whichever of its addresses listens", async () => {
  using server = await serve(() => {});
  using network = new TestNetwork();
  const watcher = new LinkWatcher(network.transport, { ...server.to, host: "localhost" });
  await watcher.opened;
  watcher.link.destroy();
});

test("an IPv6 address is connected", async () => {
  using server = await serve(() => {}, "::1");
  using network = new TestNetwork();
  const watcher = new LinkWatcher(network.transport, server.to);
  await watcher.opened;
  watcher.link.destroy();
});

test("a name that does not exist is named", async () => {
  using network = new TestNetwork();
  const to = { host: "no-such-sheep.invalid", port: 7000 };
  const why = await new LinkWatcher(network.transport, to).closed;
  expect(why?.code).toBe("unavailable");
  expect(why?.message).toContain("no-such-sheep.invalid:7000");
});

test("a destroyed link tells nothing more, whatever it was doing", async () => {
  using server = await serve((socket) => socket.write("hello"));
  using network = new TestNetwork();
  const connecting = new LinkWatcher(network.transport, server.to);
  connecting.link.destroy();
  const resolving = new LinkWatcher(network.transport, { ...server.to, host: "localhost" });
  resolving.link.destroy();
  const open = new LinkWatcher(network.transport, server.to);
  await open.opened;
  open.link.flushSoon();
  open.link.destroy();
  open.link.destroy();
  const toldBefore = [...open.events];
  await new LinkWatcher(network.transport, server.to).opened;
  await soon(20);
  expect(connecting.events).toEqual(["connect returned"]);
  expect(resolving.events).toEqual(["connect returned"]);
  expect(open.events).toEqual(toldBefore);
});

test("a paused link tells of no data until it is resumed, and the peer is held back", async () => {
  const chunk = Buffer.alloc(1 << 20, 7);
  let offered = 0;
  using server = await serve((socket) => {
    const offer = (): void => {
      while (offered < 64) {
        offered += 1;
        if (!socket.write(chunk)) return;
      }
      socket.end();
    };
    socket.on("drain", offer);
    offer();
  });
  using network = new TestNetwork();
  const watcher = new LinkWatcher(network.transport, server.to);
  const into = new Uint8Array(1 << 20);
  let received = 0;
  watcher.onReadable = () => {
    received += Math.max(0, watcher.link.read(into, 0, into.length));
  };
  await watcher.opened;
  watcher.link.pause();
  await soon(50);
  const whilePaused = received;
  const offeredThen = offered;
  await soon(50);
  expect(received).toBe(whilePaused);
  expect(offeredThen).toBeLessThan(64);
  watcher.link.resume();
  expect(await watcher.closed).toBeNull();
  expect(received).toBe(64 << 20);
});

test("flushes asked for during a burst come once each, after the burst's events", async () => {
  using server = await serve((socket) => socket.once("data", () => socket.write("x")));
  using network = new TestNetwork();
  const watcher = new LinkWatcher(network.transport, server.to);
  const flushed = Promise.withResolvers<void>();
  const into = new Uint8Array(16);
  watcher.onReadable = () => {
    watcher.link.read(into, 0, into.length);
    watcher.link.flushSoon();
    watcher.link.flushSoon();
    network.reactor.flushSoon({ flush: flushed.resolve });
  };
  await watcher.opened;
  watcher.link.write(into, 0, 1, null, 0, 0);
  await flushed.promise;
  expect(watcher.events).toEqual(["connect returned", "open", "readable", "flush"]);
  watcher.link.destroy();
});
