import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { type Logger, silentLogger } from "../../../src/base/log.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import { type Admission, Authenticator, parseBasic } from "../../../src/webdav/door/auth.ts";
import { FailedLogins } from "../../../src/webdav/door/failed-logins.ts";
import type { PasswordPort } from "../../../src/webdav/door/password.ts";
import { ManualClock, turns } from "../tree/manual-clock.ts";
import { fieldOf, requestOf } from "./requests.ts";

/** Hashes that can be read, and a count of how often one was made. */
class PlainPasswords implements PasswordPort {
  hashed = 0;

  digest(text: string): string {
    return `digest of ${text}`;
  }

  async matches(password: string, hash: string): Promise<boolean> {
    this.hashed += 1;
    return hash === `hash of ${password}`;
  }
}

class Fixture {
  readonly clock = new ManualClock();
  readonly passwords = new PlainPasswords();
  readonly warnings: string[] = [];
  readonly auth: Authenticator;

  constructor() {
    const log: Logger = { ...silentLogger, warn: (text) => this.warnings.push(text) };
    const users = new Map([["anna", "hash of secret"]]);
    this.auth = new Authenticator({ ...this, users, log });
  }

  async logIn(user: string, password: string, peer = "192.0.2.7"): Promise<Admission> {
    const request = requestOf("GET", { authorization: basic(`${user}:${password}`) }, { peer });
    return await this.auth.admit(request);
  }

  /** Guesses one after the other, so that the next try has to wait. */
  async fail(times: number, peer?: string): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      const answer = this.logIn("anna", `guess ${time}`, peer);
      await turns();
      if (this.clock.timers > 0) this.clock.advance(limits.loginDelayLongestMs);
      await answer;
    }
  }
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

const statusOf = ({ refused }: Admission): number => refused?.status ?? 200;

describe("a login", () => {
  test("is asked for, with realm and charset", async () => {
    const { auth } = new Fixture();
    const { refused } = await auth.admit(requestOf("GET"));
    expect(refused?.status).toBe(401);
    expect(fieldOf(refused, "WWW-Authenticate")).toBe('Basic realm="sheepfs", charset="UTF-8"');
  });

  test("is right with user and password, and hashed once", async () => {
    const world = new Fixture();
    expect(await world.logIn("anna", "secret")).toEqual({ user: "anna", refused: null });
    const request = requestOf("GET", { authorization: basic("anna:secret") });
    // At once: no promise on the way of every further request.
    expect(world.auth.admit(request)).toEqual({ user: "anna", refused: null });
    expect(world.passwords.hashed).toBe(1);
  });

  test("of many connections at once is looked at once, whatever its hash costs", async () => {
    const world = new Fixture();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => world.logIn("anna", "secret")),
    );
    expect(new Set(answers.map(statusOf))).toEqual(new Set([200]));
    expect(world.passwords.hashed).toBe(1);
  });

  test("goes on for the others when the first who asked is gone", async () => {
    const world = new Fixture();
    await world.fail(2);
    const scope = new CancelScope(Number.POSITIVE_INFINITY);
    const field = { authorization: basic("anna:secret") };
    const first = world.auth.admit(requestOf("GET", field, { scope }));
    const second = world.logIn("anna", "secret");
    await turns();
    scope.cancel();
    expect(statusOf(await first)).toBe(401);
    await turns();
    world.clock.advance(limits.loginDelayLongestMs);
    expect(statusOf(await second)).toBe(200);
  });

  test("that is looked at while the users become others counts by the new ones", async () => {
    const world = new Fixture();
    const answer = world.logIn("anna", "secret");
    world.auth.renew(new Map([["anna", "hash of secret"]]));
    expect(statusOf(await answer)).toBe(200);
    const refused = world.logIn("anna", "wrong");
    world.auth.renew(new Map([["bert", "hash of wrong"]]));
    expect(statusOf(await refused)).toBe(401);
  });

  for (const [user, password] of [
    ["anna", "Secret"],
    ["anna", ""],
    ["bert", "secret"],
    ["", "secret"],
  ] as const) {
    test(`is wrong for '${user}' with '${password}', and takes as long`, async () => {
      const world = new Fixture();
      expect(statusOf(await world.logIn(user, password))).toBe(401);
      expect(world.passwords.hashed).toBe(1);
    });
  }

  for (const field of ["Bearer x", "Basic", "Basic !", basic("no colon"), "Basic /w=="]) {
    test(`that is none is asked for again: ${field}`, async () => {
      const world = new Fixture();
      const answer = await world.auth.admit(requestOf("GET", { authorization: field }));
      expect(statusOf(answer)).toBe(401);
      expect(world.passwords.hashed).toBe(0);
    });
  }

  test("is not remembered when the users have become others", async () => {
    const world = new Fixture();
    await world.logIn("anna", "secret");
    world.auth.renew(new Map([["anna", "hash of another"]]));
    expect(statusOf(await world.logIn("anna", "secret"))).toBe(401);
    world.clock.advance(limits.loginDelayLongestMs);
    expect(statusOf(await world.logIn("anna", "another"))).toBe(200);
  });

  test("that fails is logged with its user and peer, never with what was tried", async () => {
    const world = new Fixture();
    await world.logIn("eve\n\u001b[31m", "hunter2");
    expect(world.warnings).toEqual(["failed login as 'eve??[31m' from 192.0.2.7"]);
  });
});

test("a password may have colons, and be of any script", () => {
  expect(parseBasic(basic("anna:a:b"))).toEqual({ user: "anna", password: "a:b" });
  expect(parseBasic(basic("änna:пароль"))).toEqual({ user: "änna", password: "пароль" });
});

describe("guessing", () => {
  test("is slowed: each try waits longer than the one before", async () => {
    const world = new Fixture();
    await world.logIn("anna", "guess");
    for (const delayMs of [limits.loginDelayFirstMs, limits.loginDelayFirstMs * 2]) {
      let done = false;
      const answer = world.logIn("anna", "guess").then(() => {
        done = true;
      });
      await turns();
      world.clock.advance(delayMs - 1);
      await turns();
      expect(done).toBe(false);
      world.clock.advance(1);
      await answer;
    }
    expect(world.passwords.hashed).toBe(3);
  });

  test("delays nobody at another address, and nobody who is logged in", async () => {
    const world = new Fixture();
    await world.logIn("anna", "secret");
    await world.fail(5);
    expect(statusOf(await world.logIn("anna", "secret"))).toBe(200);
    world.auth.renew(new Map([["anna", "hash of secret"]]));
    expect(statusOf(await world.logIn("anna", "secret", "198.51.100.1"))).toBe(200);
  });

  test("on many connections at once gets nobody further", async () => {
    const world = new Fixture();
    await world.fail(3);
    const answers = Array.from({ length: limits.loginWaitsMax + 3 }, (_, at) =>
      world.logIn("anna", `more ${at}`),
    );
    await turns();
    expect(world.passwords.hashed).toBe(3);
    const refused = await Promise.all(answers.slice(limits.loginWaitsMax));
    expect(refused.map(statusOf)).toEqual([429, 429, 429]);
    expect(fieldOf(refused[0]?.refused ?? null, "Retry-After")).not.toBeNull();
    // The fourth try waits for this long after the third, and the fifth as long again.
    world.clock.advance(limits.loginDelayFirstMs * 4);
    await turns();
    expect(world.passwords.hashed).toBe(4);
  });

  test("is forgotten after a while", async () => {
    const world = new Fixture();
    await world.fail(5);
    world.clock.advance(limits.loginForgetMs + limits.loginDelayLongestMs);
    expect(statusOf(await world.logIn("anna", "guess"))).toBe(401);
    expect(world.clock.timers).toBe(0);
  });

  test("whose client goes away leaves no timer", async () => {
    const world = new Fixture();
    await world.fail(2);
    const scope = new CancelScope(Number.POSITIVE_INFINITY);
    const field = { authorization: basic("anna:guess") };
    const answer = world.auth.admit(requestOf("GET", field, { scope }));
    await turns();
    expect(world.clock.timers).toBe(1);
    scope.cancel();
    await answer;
    expect(world.clock.timers).toBe(0);
    expect(world.passwords.hashed).toBe(2);
  });
});

describe("what is remembered of peers", () => {
  test("is no longer a wait for each try that was given up", () => {
    const failed = new FailedLogins(new ManualClock());
    for (let at = 0; at < 10; at += 1) {
      failed.enter("198.51.100.1");
      failed.leave("198.51.100.1", "wrong");
    }
    for (let at = 0; at < 1_000; at += 1) {
      expect(failed.enter("198.51.100.1")).toBe(limits.loginDelayLongestMs);
      failed.leave("198.51.100.1", "given-up");
    }
    // Together they still come one after the other.
    expect(failed.enter("198.51.100.1")).toBe(limits.loginDelayLongestMs);
    expect(failed.enter("198.51.100.1")).toBe(2 * limits.loginDelayLongestMs);
  });

  test("has a bound", () => {
    const failed = new FailedLogins(new ManualClock());
    for (let peer = 0; peer < limits.loginPeersMax * 2; peer += 1) {
      failed.enter(`198.51.${peer >> 8}.${peer & 255}`);
      failed.leave(`198.51.${peer >> 8}.${peer & 255}`, "wrong");
    }
    expect(failed.size).toBe(limits.loginPeersMax);
  });

  test("nothing of who logs in right", () => {
    const failed = new FailedLogins(new ManualClock());
    failed.enter("198.51.100.1");
    failed.leave("198.51.100.1", "right");
    expect(failed.size).toBe(0);
  });

  for (const [one, other, same] of [
    ["2001:db8:1:2:3::4", "2001:db8:1:2::9", true],
    ["2001:db8:1:2::9", "2001:db8:1:3::9", false],
    ["::ffff:192.0.2.1", "192.0.2.1", true],
    ["fe80::1%eth0", "fe80::2%eth0", true],
    ["192.0.2.1", "192.0.2.2", false],
  ] as const) {
    test(`${one} and ${other} are ${same ? "one" : "two"}`, () => {
      const failed = new FailedLogins(new ManualClock());
      failed.enter(one);
      failed.leave(one, "wrong");
      expect((failed.enter(other) ?? 0) > 0).toBe(same);
    });
  }
});
