import { expect, test } from "bun:test";
import { readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { closeFd } from "../../../src/sys/libc.ts";
import { Reactor, type Watch } from "../../../src/sys/reactor.ts";
import { socketPair } from "../../../src/sys/sockets.ts";
import { soon } from "./links.ts";

/** Two connected sockets, the first of them watched; all given back when disposed. */
class TestPair implements Disposable {
  readonly reactor = new Reactor();
  readonly watched: number;
  readonly other: number;
  readonly watch: Watch;
  /** Bytes told of so far. */
  told = 0;
  /** When false a handler leaves the bytes where they are, so that they are told of for ever. */
  reads = true;
  #waiting: { readonly count: number; readonly resolve: () => void } | null = null;
  readonly #into = new Uint8Array(1);

  constructor() {
    const { mine, other } = localPair();
    this.watched = mine;
    this.other = other;
    this.watch = this.reactor.watch(this.watched, {
      readable: () => {
        if (this.reads) readSync(this.watched, this.#into);
        this.told += 1;
        if (this.told === this.#waiting?.count) this.#waiting.resolve();
      },
      writable: () => {},
    });
    this.watch.want(true, false);
  }

  send(): void {
    writeSync(this.other, "x");
  }

  until(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.told >= count) resolve();
      else this.#waiting = { count, resolve };
    });
  }

  [Symbol.dispose](): void {
    this.watch.end();
    this.reactor.close();
    closeFd(this.watched);
    closeFd(this.other);
  }
}

function localPair() {
  const pair = socketPair();
  if (pair === null) throw new Error("no sockets");
  const [mine, other] = pair;
  const dispose = (): void => pair.forEach(closeFd);
  return { mine, other, [Symbol.dispose]: dispose };
}

function closing(reactor: Reactor) {
  return { reactor, [Symbol.dispose]: () => reactor.close() };
}

test("a reactor that has something to do all the time starves neither timers nor HTTP", async () => {
  using pair = new TestPair();
  pair.reads = false;
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
  pair.send();
  const before = process.cpuUsage();
  for (let count = 0; count < 20; count += 1) await soon(5);
  for (let count = 0; count < 20; count += 1) {
    expect(await (await fetch(server.url)).text()).toBe("ok");
  }
  // 100 ms of timers and a few of HTTP. In time of our own: others may have the processors.
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(2_000);
  expect(pair.told).toBeGreaterThan(100);
});

test("a reactor without work costs no CPU, and wakes when there is some", async () => {
  using pair = new TestPair();
  pair.send();
  await pair.until(1);
  await soon(100);
  const before = process.cpuUsage();
  await soon(1_000);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(50);
  pair.send();
  await pair.until(2);
});

test("no event is lost between work and sleep, whenever it comes", async () => {
  using pair = new TestPair();
  // From the midst of a turn to long asleep, with every step of falling asleep between them.
  for (let count = 1; count <= 120; count += 1) {
    pair.send();
    await pair.until(count);
    await soon((count % 30) / 5);
  }
  expect(pair.told).toBe(120);
});

test("an event of a descriptor that ended in the same turn is not told to its successor", async () => {
  using reactor = closing(new Reactor());
  using one = localPair();
  using two = localPair();
  const told: string[] = [];
  const anyTold = Promise.withResolvers<void>();
  // Whichever is told first ends both and has the other's descriptor watched anew, for writing.
  const replace = (name: string, fd: number): void => {
    told.push(name);
    anyTold.resolve();
    first.end();
    second.end();
    const successor = reactor.reactor.watch(fd, {
      readable: () => told.push("successor"),
      writable: () => successor.end(),
    });
    successor.want(false, true);
  };
  const watched = (name: string, fd: number, otherFd: number): Watch =>
    reactor.reactor.watch(fd, { readable: () => replace(name, otherFd), writable: () => {} });
  const first = watched("one", one.mine, two.mine);
  const second = watched("two", two.mine, one.mine);
  writeSync(one.other, "x");
  writeSync(two.other, "x");
  first.want(true, false);
  second.want(true, false);
  await anyTold.promise;
  await soon(20);
  expect(told).toHaveLength(1);
  expect(["one", "two"]).toContain(told[0] ?? "");
});

test("what is wanted of nobody is told to nobody, not even the end of the peer", async () => {
  using pair = new TestPair();
  pair.watch.want(false, false);
  pair.send();
  await soon(20);
  expect(pair.told).toBe(0);
  pair.watch.want(true, false);
  await pair.until(1);
});

/** What a process with a reactor printed before it ended by itself. */
async function runChild(mode: string): Promise<string> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "reactor-child.ts"), mode], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const printed = await child.stdout.text();
  expect(await child.exited).toBe(0);
  return printed;
}

test("an error in one handler is reported, and the other descriptors are served on", async () => {
  expect(await runChild("throws")).toBe("uncaught: a bug\nreadable\ndone\n");
});

test("a closed reactor lets the process end", async () => {
  expect(await runChild("closed")).toBe("done\n");
});

test("a reactor that watches nothing lets the process end", async () => {
  expect(await runChild("unwatched")).toBe("done\n");
});

test("a closed reactor lets the process end even when it was asleep", async () => {
  expect(await runChild("asleep")).toBe("done\n");
});
