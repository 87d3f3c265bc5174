import type { Clock } from "../../base/clock.ts";
import { limits } from "../../base/limits.ts";
import type { Logger } from "../../base/log.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import type { HttpRequest, HttpResponse } from "../../http/exchange.ts";
import { refusal } from "../refusal.ts";
import { FailedLogins } from "./failed-logins.ts";
import type { Users } from "./htpasswd.ts";
import type { PasswordPort } from "./password.ts";

/** Who a request is from, or the answer that it gets instead. */
export type Admission =
  | { readonly user: string | null; readonly refused: null }
  | { readonly user: string | null; readonly refused: HttpResponse };

export interface AuthenticatorOptions {
  readonly passwords: PasswordPort;
  readonly users: Users;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Logs in with Basic (RFC 7617). A login that was right is remembered by a keyed digest of its
 * header field, so that a password is hashed once and not with each request.
 */
export class Authenticator {
  readonly #passwords: PasswordPort;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #failed: FailedLogins;
  readonly #known = new Map<string, Admission>();
  /** Logins that are being looked at, by peer and digest. */
  readonly #pending = new Map<string, Promise<Admission | null>>();
  readonly #hashing: HashingTurns;
  #users: Users;
  /** Stands for users whom nobody knows, so that looking for them takes as long. */
  #nobody: string;

  constructor({ passwords, users, clock, log }: AuthenticatorOptions) {
    this.#passwords = passwords;
    this.#users = users;
    this.#nobody = anyHash(users);
    this.#clock = clock;
    this.#log = log;
    this.#failed = new FailedLogins(clock);
    this.#hashing = new HashingTurns();
  }

  /** From now on these may log in and nobody else. */
  renew(users: Users): void {
    this.#users = users;
    this.#nobody = anyHash(users);
    this.#known.clear();
  }

  admit(request: HttpRequest): MaybePromise<Admission> {
    const field = request.headers.get("authorization");
    if (field === null) return challenge("log in to use this server");
    const key = this.#passwords.digest(field);
    return this.#known.get(key) ?? this.#join(request, field, key);
  }

  /** A client that begins with many connections at once is looked at once, and waits once. */
  async #join(request: HttpRequest, field: string, key: string): Promise<Admission> {
    const given = parseBasic(field);
    if (given === null) return challenge("log in with Basic authentication");
    const name = `${request.peer} ${key}`;
    while (!request.scope.cancelled) {
      const admission = await (this.#pending.get(name) ?? this.#begin(name, request, given, key));
      if (admission !== null) return admission;
    }
    return challenge("the client is gone");
  }

  #begin(name: string, request: HttpRequest, given: Login, key: string): Promise<Admission | null> {
    const looking = this.#logIn(request, given, key).finally(() => this.#pending.delete(name));
    this.#pending.set(name, looking);
    return looking;
  }

  /** @returns null when it has to be looked at again: who asked is gone, or the users are others */
  async #logIn(request: HttpRequest, given: Login, key: string): Promise<Admission | null> {
    const { peer, scope } = request;
    const waitMs = this.#failed.enter(peer);
    if (waitMs === null) return tooMany(429, "too many logins are waiting; try again later");
    let outcome: "right" | "wrong" | "given-up" = "given-up";
    try {
      if (waitMs > 0) await this.#pause(waitMs, scope);
      if (scope.cancelled) return null;
      const turn = this.#hashing.take();
      if (turn === null) return tooMany(503, "too many logins are being checked; try again later");
      await turn;
      try {
        const users = this.#users;
        const hash = users.get(given.user);
        const same = await this.#passwords.matches(given.password, hash ?? this.#nobody);
        if (users !== this.#users) return null;
        outcome = same && hash !== undefined && given.password !== "" ? "right" : "wrong";
      } finally {
        this.#hashing.giveBack();
      }
    } finally {
      this.#failed.leave(peer, outcome);
    }
    if (outcome === "right") return this.#remember(key, { user: given.user, refused: null });
    this.#log.warn(`failed login as '${printable(given.user)}' from ${peer}`);
    return challenge("user or password is wrong");
  }

  #remember(key: string, admission: Admission): Admission {
    for (const [oldest] of this.#known) {
      if (this.#known.size < limits.loginsCachedMax) break;
      this.#known.delete(oldest);
    }
    this.#known.set(key, admission);
    return admission;
  }

  #pause(delayMs: number, scope: Scope): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        unsubscribe();
        resolve();
      };
      const timer = this.#clock.after(delayMs, done);
      let unsubscribe = (): void => {};
      unsubscribe = scope.onCancel(done);
    });
  }
}

/** Hashing is slow on purpose, so only so many go on at once, and others wait in order. */
class HashingTurns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** @returns null when too many wait */
  take(): Promise<void> | null {
    if (this.#running < limits.loginHashesMax) {
      this.#running += 1;
      return Promise.resolve();
    }
    if (this.#waiting.length >= limits.loginHashesQueuedMax) return null;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

interface Login {
  readonly user: string;
  readonly password: string;
}

/** @returns null when it is no Basic of RFC 7617 §2: base64 of UTF-8 text with a colon */
export function parseBasic(field: string): Login | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(field)?.[1];
  if (encoded === undefined) return null;
  let text: string;
  try {
    const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
  const colon = text.indexOf(":");
  return colon < 0 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function challenge(text: string): Admission {
  const field = 'Basic realm="sheepfs", charset="UTF-8"';
  return { user: null, refused: refusal(401, text, [["WWW-Authenticate", field]]) };
}

function tooMany(status: 429 | 503, text: string): Admission {
  return { user: null, refused: refusal(status, text, [["Retry-After", "5"]]) };
}

function anyHash(users: Users): string {
  for (const hash of users.values()) return hash;
  return "";
}

const shownMax = 64;

/** A name that a stranger sent, for a line of a log. */
function printable(text: string): string {
  return [...text.slice(0, shownMax)]
    .map((char) => (/[\p{C}\p{Z}'\\]/u.test(char) ? "?" : char))
    .join("");
}
