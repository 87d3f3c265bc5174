import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { type Lock, LockTable, type LockWish } from "../../../src/webdav/locks/locks.ts";
import { parseTimeout } from "../../../src/webdav/locks/timeout.ts";
import { ManualClock } from "../tree/manual-clock.ts";

class Fixture {
  readonly clock = new ManualClock();
  readonly table = new LockTable({ clock: this.clock, random: seededRandom(7) });

  create(path: string, wish: Partial<LockWish> = {}): Lock | readonly Lock[] {
    const plain = { kind: "file", exclusive: true, deep: false, owner: null, user: null } as const;
    return this.table.create({ path: names(path), ...plain, timeoutSeconds: 60, ...wish });
  }

  must(path: string, wish: Partial<LockWish> = {}): Lock {
    const made = this.create(path, wish);
    if (!("token" in made)) throw new Error(`${path} is locked`);
    return made;
  }

  /** Paths of the locks in the way of a write. */
  blocked(
    path: string,
    reach: { deep?: boolean; membership?: boolean } = {},
    token = "",
  ): string[] {
    const { deep = false, membership = false } = reach;
    const what = { path: names(path), deep, membership };
    return this.table
      .inTheWay(what, { user: null, tokens: new Set([token]) })
      .map((lock) => lock.path.join("/"));
  }
}

function names(path: string): string[] {
  return path === "" ? [] : path.split("/");
}

const shared = { exclusive: false };
const deep = { deep: true };

describe("a new lock", () => {
  for (const [has, wants, expected] of [
    [["a", {}], ["a", {}], ["a"]],
    [["a", shared], ["a", {}], ["a"]],
    [["a", {}], ["a", shared], ["a"]],
    [["a", shared], ["a", shared], null],
    [["a", {}], ["b", {}], null],
    [["a", {}], ["a/b", {}], null],
    [["a", deep], ["a/b", {}], ["a"]],
    [["a", deep], ["a/b/c", shared], ["a"]],
    [["a", { ...deep, ...shared }], ["a/b", shared], null],
    [["a/b", {}], ["a", {}], null],
    [["a/b", {}], ["a", deep], ["a/b"]],
    [["a/b", shared], ["a", { ...deep, ...shared }], null],
    [["", deep], ["a/b", {}], [""]],
    [["a", deep], ["ab", {}], null],
    [["a/b", {}], ["", deep], ["a/b"]],
  ] as const) {
    test(`${JSON.stringify(wants)} after ${JSON.stringify(has)}`, () => {
      const fixture = new Fixture();
      fixture.must(has[0], has[1]);
      const made = fixture.create(wants[0], wants[1]);
      expect("token" in made ? null : made.map(({ path }) => path.join("/"))).toEqual(
        expected === null ? null : [...expected],
      );
    });
  }

  test("has a token of its own, a random UUID", () => {
    const { table, clock } = new Fixture();
    const tokens = new Set<string>();
    for (let count = 0; count < 200; count += 1) {
      const wish = { kind: "file", exclusive: true, deep: false, owner: null, user: null } as const;
      const made = table.create({ path: [`f${count}`], ...wish, timeoutSeconds: 60 });
      if (!("token" in made)) throw new Error("locked");
      expect(made.token).toMatch(
        /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      expect(made.expiresMs).toBe(clock.nowMs() + 60_000);
      tokens.add(made.token);
    }
    expect(tokens.size).toBe(200);
  });

  // [S-59]
  test("is refused when there are too many, and those whose time has passed make room", () => {
    const fixture = new Fixture();
    for (let count = 0; count < limits.davLocksMax; count += 1) fixture.must(`f${count}`);
    expect(() => fixture.create("more")).toThrow(SheepfsError);
    fixture.clock.advance(60_000);
    fixture.must("more");
    expect(fixture.table.at(["f0"])).toEqual([]);
  });
});

// [S-59]
test("one node is not locked by more than a few who share it", () => {
  const fixture = new Fixture();
  for (let count = 0; count < limits.davLocksSharedMax; count += 1) fixture.must("a", shared);
  expect(() => fixture.create("a", shared)).toThrow(SheepfsError);
  fixture.must("b", shared);
});

describe("a lock", () => {
  // [S-59]
  test("ends when its time has passed, unless it was given more", () => {
    const fixture = new Fixture();
    const lock = fixture.must("a", deep);
    fixture.clock.advance(59_000);
    expect(fixture.table.named(lock.token, ["a", "b"])).toBe(lock);
    expect(fixture.table.refresh(lock, 100).timeoutSeconds).toBe(100);
    fixture.clock.advance(99_999);
    expect(fixture.blocked("a")).toEqual(["a"]);
    fixture.clock.advance(1);
    expect(fixture.blocked("a")).toEqual([]);
    expect(fixture.blocked("", { deep: true })).toEqual([]);
    expect(fixture.table.named(lock.token, ["a"])).toBeNull();
    fixture.must("a");
  });

  test("is named by its token at a path that it holds for, and nowhere else", () => {
    const one = new Fixture();
    const lock = one.must("a", deep);
    expect(one.table.named(lock.token, ["b"])).toBeNull();
    expect(one.table.named("urn:uuid:other", ["a"])).toBeNull();
    expect(one.table.named(lock.token, ["a", "b", "c"])).toBe(lock);
    one.table.remove(lock);
    expect(one.table.named(lock.token, ["a"])).toBeNull();
  });

  test("ends with what it is on, and not with what only begins with the same letters", () => {
    const fixture = new Fixture();
    for (const path of ["a", "a/b", "ab", "c"]) fixture.must(path);
    fixture.table.removeBelow(["a"]);
    expect(["a", "a/b", "ab", "c"].flatMap((path) => fixture.blocked(path))).toEqual(["ab", "c"]);
  });
});

describe("a write", () => {
  // [S-57]
  for (const [lock, path, reach, expected] of [
    [["a", {}], "a", {}, ["a"]],
    [["a", {}], "a/b", {}, []],
    // A directory that is locked keeps its names.
    [["a", {}], "a/b", { membership: true }, ["a"]],
    [["a", {}], "a/b/c", { membership: true }, []],
    [["a", deep], "a/b/c", {}, ["a"]],
    [["a/b", {}], "a", {}, []],
    [["a/b", {}], "a", { deep: true }, ["a/b"]],
    [["", deep], "a", {}, [""]],
    [["", {}], "a", {}, []],
    [["", {}], "a", { membership: true }, [""]],
    [["a", shared], "a", {}, ["a"]],
  ] as const) {
    test(`of ${path} ${JSON.stringify(reach)} with ${JSON.stringify(lock)}`, () => {
      const fixture = new Fixture();
      const { token } = fixture.must(lock[0], lock[1]);
      expect(fixture.blocked(path, reach)).toEqual([...expected]);
      expect(fixture.blocked(path, reach, token)).toEqual([]);
      expect(fixture.blocked(path, reach, "urn:uuid:other")).toEqual([...expected]);
    });
  }

  test("needs one of the tokens of locks that are shared", () => {
    const fixture = new Fixture();
    fixture.must("a", shared);
    const second = fixture.must("a", shared);
    expect(fixture.blocked("a")).toEqual(["a"]);
    expect(fixture.blocked("a", {}, second.token)).toEqual([]);
  });

  test("of a whole tree needs a token for each place that is locked", () => {
    const fixture = new Fixture();
    const one = fixture.must("a/b");
    fixture.must("a/c");
    expect(fixture.blocked("a", { deep: true }, one.token)).toEqual(["a/c"]);
  });
});

describe("the time that a client wants", () => {
  const { davLockSecondsMax: most, davLockSecondsMin: least } = limits;
  for (const [field, expected] of [
    [null, null],
    ["", null],
    ["Second-60", 60],
    ["second-60", 60],
    ["Infinite", most],
    ["Infinite, Second-60", most],
    ["Extend, Second-60", 60],
    ["Second-4100000000", most],
    ["Second-99999999999999999999", most],
    ["Second-0", least],
    ["Second--1", null],
    ["Second-1.5", null],
    ["60", null],
  ] as const) {
    test(`'${field}'`, () => {
      expect(parseTimeout(field)).toBe(expected);
    });
  }
});
