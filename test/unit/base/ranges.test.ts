import { expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { type RangeHold, RangeLock } from "../../../src/base/ranges.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** One claim that keeps the order in which it was granted. */
class Claim implements RangeHold {
  held = false;
  earlier: RangeHold | null = null;
  later: RangeHold | null = null;
  key: number;
  start: number;
  end: number;
  readonly #granted: (claim: Claim) => void;

  constructor(
    range: { readonly key: number; readonly start: number; readonly end: number },
    granted: (claim: Claim) => void = () => {},
  ) {
    this.key = range.key;
    this.start = range.start;
    this.end = range.end;
    this.#granted = granted;
  }

  granted(): void {
    this.#granted(this);
  }
}

const overlap = (a: Claim, b: Claim): boolean =>
  a.key === b.key && a.start < b.end && b.start < a.end;

test("ranges that do not overlap, or belong to other objects, are held at once", () => {
  const lock = new RangeLock();
  const claims = [
    { key: 1, start: 0, end: 10 },
    { key: 1, start: 10, end: 20 },
    { key: 2, start: 0, end: 20 },
    { key: 257, start: 0, end: 20 },
  ].map((range) => new Claim(range));
  for (const claim of claims) expect(lock.acquire(claim)).toBe(true);
  expect(lock.waiting).toBe(0);
});

test("who waits keeps the place: a later claim that overlaps it waits too", () => {
  const lock = new RangeLock();
  const order: string[] = [];
  const first = new Claim({ key: 1, start: 0, end: 10 });
  const second = new Claim({ key: 1, start: 5, end: 15 }, () => order.push("second"));
  const third = new Claim({ key: 1, start: 12, end: 20 }, () => order.push("third"));
  expect(lock.acquire(first)).toBe(true);
  expect(lock.acquire(second)).toBe(false);
  expect(lock.acquire(third)).toBe(false);
  lock.release(first);
  expect(order).toEqual(["second"]);
  lock.release(second);
  expect(order).toEqual(["second", "third"]);
  lock.release(third);
  expect(lock.waiting).toBe(0);
});

test("giving up waiting lets those behind it go", () => {
  const lock = new RangeLock();
  const order: string[] = [];
  const first = new Claim({ key: 1, start: 0, end: 10 });
  const second = new Claim({ key: 1, start: 5, end: 15 });
  const third = new Claim({ key: 1, start: 12, end: 20 }, () => order.push("third"));
  for (const claim of [first, second, third]) lock.acquire(claim);
  lock.release(second);
  expect(order).toEqual(["third"]);
});

test("two that widen into each other go one after the other", () => {
  const lock = new RangeLock();
  const order: string[] = [];
  const first = new Claim({ key: 1, start: 0, end: 10 }, () => order.push("first"));
  const second = new Claim({ key: 1, start: 10, end: 20 }, () => order.push("second"));
  for (const claim of [first, second]) lock.acquire(claim);
  expect(lock.widen(first, 0, 20)).toBe(false);
  expect(lock.widen(second, 0, 20)).toBe(false);
  expect(order).toEqual(["first"]);
  lock.release(first);
  expect(order).toEqual(["first", "second"]);
});

// [S-8]
test(`overlapping claims are never held together, and in the order of coming (SEED=${seed})`, () => {
  const random = seededRandom(seed);
  const lock = new RangeLock();
  const came: Claim[] = [];
  const held = new Set<Claim>();
  const take = (claim: Claim): void => {
    for (const other of held) expect(overlap(claim, other)).toBe(false);
    for (const earlier of came.slice(0, came.indexOf(claim))) {
      expect(overlap(claim, earlier)).toBe(false);
    }
    held.add(claim);
  };
  const forget = (claim: Claim): void => {
    held.delete(claim);
    came.splice(came.indexOf(claim), 1);
    lock.release(claim);
  };
  for (let step = 0; step < 20_000; step += 1) {
    if (came.length < 40 && random.below(2) === 0) {
      const start = random.below(100);
      const range = { key: random.below(3) * 256, start, end: start + 1 + random.below(20) };
      const claim = new Claim(range, take);
      came.push(claim);
      if (lock.acquire(claim)) take(claim);
    } else if (came.length > 0) {
      const claim = came[random.below(came.length)];
      if (claim !== undefined) forget(claim);
    }
    expect(lock.waiting).toBe(came.length - held.size);
  }
  while (came[0] !== undefined) forget(came[0]);
  expect(lock.waiting).toBe(0);
});
