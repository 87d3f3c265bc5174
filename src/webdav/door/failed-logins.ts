import type { Clock } from "../../base/clock.ts";
import { limits } from "../../base/limits.ts";

interface Peer {
  failures: number;
  /** When it may try next. */
  nextMs: number;
  /** Tries that wait for their time or are being looked at. */
  waiting: number;
}

/**
 * Slows who guesses passwords: after each failure the peer's next try waits longer. Nobody is shut
 * out, and nobody at another address waits; IPv6 addresses of one /64 are one peer.
 */
export class FailedLogins {
  readonly #clock: Clock;
  /** The one that failed longest ago comes first. */
  readonly #peers = new Map<string, Peer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#peers.size;
  }

  /**
   * Takes a turn, which `leave` gives back.
   * @returns ms to wait before the login is looked at; null when too many of this peer wait already
   */
  enter(address: string): number | null {
    const name = peerOf(address);
    const nowMs = this.#clock.nowMs();
    const peer = this.#peers.get(name) ?? this.#add(name);
    if (peer.waiting >= limits.loginWaitsMax) return null;
    if (nowMs - peer.nextMs > limits.loginForgetMs) peer.failures = 0;
    peer.waiting += 1;
    const apartMs = peer.failures === 0 ? 0 : delayMs(peer.failures);
    // Tries that come together are taken one after the other; those given up leave their turn.
    const startMs = Math.min(Math.max(nowMs, peer.nextMs), nowMs + peer.waiting * apartMs);
    peer.nextMs = startMs + apartMs;
    return startMs - nowMs;
  }

  leave(address: string, outcome: "right" | "wrong" | "given-up"): void {
    const name = peerOf(address);
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    peer.waiting = Math.max(0, peer.waiting - 1);
    if (outcome === "wrong") {
      peer.failures += 1;
      peer.nextMs = Math.max(peer.nextMs, this.#clock.nowMs() + delayMs(peer.failures));
      this.#peers.delete(name);
      this.#peers.set(name, peer);
    } else if (peer.failures === 0 && peer.waiting === 0) {
      this.#peers.delete(name);
    }
  }

  #add(name: string): Peer {
    for (const [oldest] of this.#peers) {
      if (this.#peers.size < limits.loginPeersMax) break;
      this.#peers.delete(oldest);
    }
    const peer = { failures: 0, nextMs: this.#clock.nowMs(), waiting: 0 };
    this.#peers.set(name, peer);
    return peer;
  }
}

function delayMs(failures: number): number {
  const doubled = limits.loginDelayFirstMs * 2 ** Math.min(failures - 1, 16);
  return Math.min(doubled, limits.loginDelayLongestMs);
}

/** Who gets one IPv6 address mostly has the other 2^64 of its network too. */
function peerOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [left = "", right] = address.split("%")[0]?.split("::") ?? [];
  const groups = left === "" ? [] : left.split(":");
  if (right !== undefined) {
    const tail = right === "" ? [] : right.split(":");
    while (groups.length + tail.length < 8) groups.push("0");
    groups.push(...tail);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}
