import { expect, test } from "bun:test";
import { tubeFull } from "../../../src/base/transfer.ts";
import { closeFd, readFd, setNonBlocking, writeFd } from "../../../src/sys/libc.ts";
import { socketPair } from "../../../src/sys/sockets.ts";
import { PipeTube, TubePool } from "../../../src/sys/tube.ts";

/** Two connected sockets and a tube, closed when disposed. */
function stand() {
  const [near, far] = socketPair() ?? [-1, -1];
  setNonBlocking(near);
  setNonBlocking(far);
  const tubes: PipeTube[] = [];
  return {
    near,
    far,
    newTube(): PipeTube {
      const tube = PipeTube.open();
      if (tube === null) throw new Error("no pipe of that size");
      tubes.push(tube);
      return tube;
    },
    send: (bytes: Uint8Array) =>
      expect(writeFd(far, bytes, 0, bytes.length, null, 0, 0)).toBe(bytes.length),
    [Symbol.dispose]: () => {
      for (const tube of tubes) tube.close();
      for (const fd of [near, far]) closeFd(fd);
    },
  };
}

function numbered(length: number, first: number): Uint8Array {
  return new Uint8Array(length).map((_, index) => ((index + first) * 13) & 0xff);
}

test("what a socket received goes through tubes in order, behind a head", () => {
  using world = stand();
  const [one, two, joint] = [world.newTube(), world.newTube(), world.newTube()];
  world.send(numbered(50_000, 0));
  expect(one.fill(world.near, 20_000)).toBe(20_000);
  expect(two.fill(world.near, 30_000)).toBe(30_000);
  const head = numbered(32, 7);
  expect(joint.begin(head, 16, 16)).toBe(true);
  expect(one.moveTo(joint)).toBe(true);
  expect(two.moveTo(joint)).toBe(true);
  expect([one.bytes, two.bytes, joint.bytes]).toEqual([0, 0, 50_016]);
  expect(joint.send(world.near)).toBe(50_016);
  const got = new Uint8Array(60_000);
  let count = 0;
  for (let more = 1; more > 0; count += Math.max(0, more)) {
    more = readFd(world.far, got, count, got.length - count);
  }
  const wanted = Buffer.concat([head.subarray(16), numbered(50_000, 0)]);
  expect(Buffer.compare(got.subarray(0, count), wanted)).toBe(0);
});

test("an empty socket, one that was closed and a full tube are told apart", () => {
  using world = stand();
  const tube = world.newTube();
  expect(tube.fill(world.near, 100)).toBeLessThan(0);
  let sent = 0;
  let count = 0;
  // Small writes are pages of their own: there are more than the tube has slots.
  while (count !== tubeFull) {
    world.send(numbered(10, sent));
    sent += 10;
    count = tube.fill(world.near, 10);
  }
  const got = new Uint8Array(sent);
  const { bytes } = tube;
  expect(bytes).toBe(sent - 10);
  tube.drain(got, 0);
  expect(Buffer.compare(got.subarray(0, bytes), numbered(bytes, 0))).toBe(0);
  expect(tube.fill(world.near, 10)).toBe(10);
  tube.clear();
  expect(tube.bytes).toBe(0);
  closeFd(world.far);
  expect(tube.fill(world.near, 10)).toBe(0);
});

test("a pool lends so many, takes back what is not empty, and refuses for a while when told to", () => {
  using world = stand();
  const pool = new TubePool();
  const lent: PipeTube[] = [];
  for (let tube = pool.take(); tube !== null; tube = pool.take()) lent.push(tube);
  expect(lent.length).toBe(16);
  const [first] = lent;
  world.send(numbered(100, 0));
  expect(first?.fill(world.near, 100)).toBe(100);
  for (const tube of lent) pool.give(tube);
  const again = pool.take();
  expect(again?.bytes).toBe(0);
  pool.refuse();
  expect(pool.take()).toBeNull();
  pool.close();
  again?.close();
});
