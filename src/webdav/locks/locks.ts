import type { Clock } from "../../base/clock.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Random } from "../../base/random.ts";
import type { Node } from "../../tree/node.ts";
import { pathKey } from "../paths.ts";
import type { XmlElement } from "../xml/element.ts";

/** One lock (RFC 4918 §6). It guards writes over HTTP, never reads, and nothing in the mount. */
export interface Lock {
  readonly token: string;
  /** Who has made it and alone may use it; null where nobody logs in (RFC 4918 §6.4). */
  readonly user: string | null;
  /** What was locked, as names from the tree's root. */
  readonly path: readonly string[];
  readonly kind: Node["kind"];
  readonly exclusive: boolean;
  /** Holds for everything below as well, also for what is made there later. */
  readonly deep: boolean;
  /** What the client said about who it is. */
  readonly owner: XmlElement | null;
  readonly timeoutSeconds: number;
  /** On the clock's monotonic scale. */
  readonly expiresMs: number;
}

export type LockWish = Omit<Lock, "token" | "expiresMs">;

/** Who writes, and which locks are shown to be his. */
export interface LockHolder {
  readonly user: string | null;
  readonly tokens: ReadonlySet<string>;
}

/** What a write touches. */
export interface WriteReach {
  readonly path: readonly string[];
  /** Everything below as well, as when a collection is removed. */
  readonly deep: boolean;
  /** A name comes or goes: the directory that it is in changes too. */
  readonly membership: boolean;
}

/** All locks of a server: in memory, bounded in number, gone when their time has passed. */
export class LockTable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #byToken = new Map<string, Lock>();
  readonly #byPath = new Map<string, Lock[]>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * A new lock, or those that are in its way.
   * @throws overload when there are too many, or too many that are shared there
   */
  create(wish: LockWish): Lock | readonly Lock[] {
    const others = [...this.at(wish.path), ...(wish.deep ? this.#below(wish.path) : [])];
    const inTheWay = others.filter((lock) => wish.exclusive || lock.exclusive);
    if (inTheWay.length > 0) return inTheWay;
    if (others.length >= limits.davLocksSharedMax) {
      throw new SheepfsError("overload", `${others.length} locks are shared there already`);
    }
    if (this.#byToken.size >= limits.davLocksMax) this.#dropExpired();
    if (this.#byToken.size >= limits.davLocksMax) {
      throw new SheepfsError("overload", `there are ${limits.davLocksMax} locks already`);
    }
    const lock = { ...wish, token: this.#newToken(), expiresMs: this.#expiry(wish.timeoutSeconds) };
    this.#put(lock);
    return lock;
  }

  /** The lock of that token; null when it does not hold for the path. */
  named(token: string, path: readonly string[]): Lock | null {
    return this.at(path).find((one) => one.token === token) ?? null;
  }

  /** Begins its time anew. */
  refresh(lock: Lock, timeoutSeconds: number | null): Lock {
    const seconds = timeoutSeconds ?? lock.timeoutSeconds;
    const renewed = { ...lock, timeoutSeconds: seconds, expiresMs: this.#expiry(seconds) };
    this.#drop(lock);
    this.#put(renewed);
    return renewed;
  }

  remove(lock: Lock): void {
    this.#drop(lock);
  }

  /** Ends all locks of what was removed or moved away (RFC 4918 §7.7, §9.6). */
  removeBelow(path: readonly string[]): void {
    for (const lock of this.#own(path)) this.#drop(lock);
    for (const lock of this.#below(path)) this.#drop(lock);
  }

  /** Locks that hold for a path: its own, and deep ones of the directories that it is in. */
  at(path: readonly string[]): Lock[] {
    if (this.#byToken.size === 0) return [];
    const locks: Lock[] = [];
    for (let depth = 0; depth <= path.length; depth += 1) {
      for (const lock of this.#own(path.slice(0, depth))) {
        if (lock.deep || depth === path.length) locks.push(lock);
      }
    }
    return locks;
  }

  /**
   * Locks whose token a write would need and was not given; of the shared ones of one place, one
   * stands for all, as any of their tokens will do (RFC 4918 §7.5). Empty when it may go on.
   */
  inTheWay(reach: WriteReach, { user, tokens }: LockHolder): readonly Lock[] {
    if (this.#byToken.size === 0) return [];
    const { path, deep, membership } = reach;
    const groups = [this.at(path)];
    if (membership && path.length > 0) groups.push(this.at(path.slice(0, -1)));
    if (deep)
      groups.push(...Map.groupBy(this.#below(path), ({ path: at }) => pathKey(at)).values());
    const blocked = new Map<string, Lock>();
    for (const locks of groups) {
      const [first] = locks;
      const isHis = (lock: Lock): boolean => lock.user === user && tokens.has(lock.token);
      if (first === undefined || locks.some(isHis)) continue;
      blocked.set(pathKey(first.path), first);
    }
    return [...blocked.values()];
  }

  #own(path: readonly string[]): readonly Lock[] {
    const key = pathKey(path);
    const locks = this.#byPath.get(key);
    if (locks === undefined) return [];
    const now = this.#clock.nowMs();
    for (const lock of locks) if (lock.expiresMs <= now) this.#drop(lock);
    return this.#byPath.get(key) ?? [];
  }

  #below(path: readonly string[]): Lock[] {
    const now = this.#clock.nowMs();
    return [...this.#byToken.values()].filter(
      (lock) =>
        lock.expiresMs > now &&
        lock.path.length > path.length &&
        path.every((name, at) => lock.path[at] === name),
    );
  }

  #put(lock: Lock): void {
    this.#byToken.set(lock.token, lock);
    const key = pathKey(lock.path);
    this.#byPath.set(key, [...(this.#byPath.get(key) ?? []), lock]);
  }

  #drop(lock: Lock): void {
    this.#byToken.delete(lock.token);
    const key = pathKey(lock.path);
    const left = (this.#byPath.get(key) ?? []).filter(({ token }) => token !== lock.token);
    if (left.length === 0) this.#byPath.delete(key);
    else this.#byPath.set(key, left);
  }

  #dropExpired(): void {
    const now = this.#clock.nowMs();
    for (const lock of [...this.#byToken.values()]) if (lock.expiresMs <= now) this.#drop(lock);
  }

  #expiry(timeoutSeconds: number): number {
    return this.#clock.nowMs() + timeoutSeconds * 1000;
  }

  /** A random UUID (RFC 9562 §5.4). */
  #newToken(): string {
    const word = (): string => this.#random.u32().toString(16).padStart(8, "0");
    const hex = word() + word() + word() + word();
    const variant = (8 + (Number.parseInt(hex[16] ?? "0", 16) % 4)).toString(16);
    const fields = [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `4${hex.slice(13, 16)}`,
      `${variant}${hex.slice(17, 20)}`,
      hex.slice(20),
    ];
    return `urn:uuid:${fields.join("-")}`;
  }
}
