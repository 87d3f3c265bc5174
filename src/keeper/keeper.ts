import { closeSync, openSync, writeSync } from "node:fs";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { memoryFile } from "../sys/memory-file.ts";
import { cardName, type KeeperCard } from "./protocol.ts";
import { type Kept, type Program, type ServerEnd, ServerProcess } from "./server-process.ts";
import { within } from "./within.ts";

export interface KeeperWish {
  readonly mountpoint: string;
  /** Path of the program as it was started, and the arguments that make it a server. */
  readonly path: string;
  readonly args: readonly string[];
  /** Where relative paths among the arguments begin. */
  readonly cwd: string;
  readonly log: Logger;
  /** SIGHUP means that the terminal is gone, and not that logs are to be opened again. */
  readonly hangsUp: boolean;
  /** Called once, with what the server says when the mount is usable. */
  ready(said: string): void;
  ending(why: string): void;
  reloading(): void;
}

/** What is passed on to the server, which ends then; the keeper ends with it. */
const passedOn = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * Holds the kernel's connection of one mount, which lives as long as somebody has it open, and starts
 * the server that answers the kernel: the first one, and another one in the place of one that died.
 * Knows nothing of FUSE or Sheepdog, so that there is nothing in it that could fail or need an
 * upgrade.
 */
export class Keeper {
  readonly #wish: KeeperWish;
  readonly #kept: Kept = { device: null, notes: null };
  readonly #card: number;
  /** The program of the server in use, open, so that it can be started when its file is replaced. */
  #program: Program;
  #server: ServerProcess;
  /** It waits to take over from the server in use. */
  #candidate: { readonly server: ServerProcess; readonly program: Program } | null = null;
  /** What served well before the program in use, until that has proved itself. */
  #fallback: Program | null = null;
  #version = "";
  #deaths = 0;
  #ending = false;
  #hung = false;
  /** The server that a signal to end was passed on to. */
  #askedToEnd: ServerProcess | null = null;
  #upgrades = 0;
  #refused: string | null = null;
  #pauseMs = 0;
  #upgrading = false;

  constructor(wish: KeeperWish) {
    this.#wish = wish;
    this.#card = memoryFile(cardName);
    this.#program = this.#open();
    this.#server = this.#start(this.#program);
  }

  /**
   * Keeps the mount until it is over.
   * @throws whatever kept it from being usable, or ended it
   */
  async run(): Promise<void> {
    for (const signal of passedOn) process.on(signal, () => this.#passOn(signal));
    process.on("SIGUSR2", () => void this.#upgrade());
    void this.#server.ready.then((said) => {
      if (said !== null) this.#wish.ready(said);
    });
    let server = this.#server;
    this.#begin(server);
    for (;;) {
      const end = await server.ended;
      // What one says that could not take over is the reason of its death, not the mount's end.
      const tookOver = server.isReady || this.#kept.device === null;
      if (end.how === "over" && end.error === null) return;
      if (end.how === "over" && tookOver) throw end.error;
      server = await this.#next(server, end);
      this.#server = server;
      this.#begin(server);
    }
  }

  /**
   * Asks the server whether it lives. One that has not answered since the last time hangs: another one
   * takes its place.
   * @returns false when the one before it hung as well
   */
  lives(): boolean {
    const server = this.#server;
    if (server.pulse !== "asked") {
      if (server.pulse === "answered") this.#hung = false;
      server.ping();
      return true;
    }
    this.#wish.log.error(`the server (pid ${server.pid}) of '${this.#wish.mountpoint}' hangs`);
    server.signal("SIGKILL");
    const again = this.#hung;
    this.#hung = true;
    return !again;
  }

  /** Lets it begin as soon as it can. */
  #begin(server: ServerProcess): void {
    this.#writeCard();
    void server.loaded.then((version) => {
      if (version === null) return;
      this.#version = version;
      server.go();
    });
    void server.ready.then((said) => {
      if (said === null) return;
      this.#writeCard();
      // Not once more: the second signal ends a server at once, with its mount left behind.
      if (this.#ending && this.#askedToEnd !== server) server.signal("SIGTERM");
    });
  }

  /** @throws when another server would not help */
  async #next(old: ServerProcess, end: ServerEnd): Promise<ServerProcess> {
    const { log, mountpoint } = this.#wish;
    const why = end.how === "yielded" ? "it left" : end.why;
    if (this.#kept.device === null) {
      const text = "the server ended without a reason; run the same command with -f to see it";
      throw new SheepfsError("internal", `${text} (${why})`);
    }
    const candidate = this.#candidate;
    this.#candidate = null;
    if (end.how !== "yielded") {
      log.error(`the server (pid ${old.pid}) of '${mountpoint}' died: ${why}`);
      if (this.#ending)
        throw new SheepfsError("internal", `the server did not end in order: ${why}`);
      this.#countDeath(old);
    }
    if (candidate === null) return await this.#startAtLast();
    this.#drop(this.#fallback);
    this.#fallback = this.#program;
    this.#program = candidate.program;
    return candidate.server;
  }

  #countDeath(old: ServerProcess): void {
    const settled = performance.now() - old.startedMs > limits.serverSettleMs;
    this.#deaths = settled ? 1 : this.#deaths + 1;
    if (!(settled && old.isReady) && this.#fallback !== null) {
      this.#wish.log.warn("the program of before the upgrade goes on");
      this.#drop(this.#program);
      this.#program = this.#fallback;
      this.#fallback = null;
      this.#deaths = 0;
    }
    if (this.#deaths < limits.serverDeathsMax) return;
    const text = `${this.#deaths} servers died one after the other; '${this.#wish.mountpoint}'`;
    throw new SheepfsError("internal", `${text} is given up, and what uses it fails`);
  }

  /** A machine that is short of something now may not be in a moment; until then all wait. */
  async #startAtLast(): Promise<ServerProcess> {
    const { log, mountpoint } = this.#wish;
    for (let tries = 1; ; tries += 1) {
      try {
        return this.#start(this.#program);
      } catch (thrown) {
        if (tries >= limits.serverStartsMax || this.#ending) throw thrown;
        if (tries === 1) {
          log.error(
            `no server for '${mountpoint}', which waits: ${asSheepfsError(thrown).message}`,
          );
        }
        await Bun.sleep(limits.serverStartAgainMs);
      }
    }
  }

  #start(program: Program): ServerProcess {
    return new ServerProcess(program, this.#wish.cwd, this.#kept);
  }

  /** The program that is at the path now. */
  #open(): Program {
    const { path, args } = this.#wish;
    try {
      const fd = openSync(path, "r");
      return { fd, path: `/proc/${process.pid}/fd/${fd}`, title: path, args };
    } catch (thrown) {
      throw new SheepfsError("not_found", `'${path}' cannot be read`, { cause: thrown });
    }
  }

  #drop(program: Program | null): void {
    if (program !== null) closeSync(program.fd);
  }

  /** A successor that is about to take over is told when it has. A second signal waits for nothing. */
  #passOn(signal: NodeJS.Signals): void {
    if (signal === "SIGHUP" && !this.#wish.hangsUp) {
      this.#wish.reloading();
      // One that is not ready has just opened its log.
      if (this.#server.isReady) this.#server.signal(signal);
      return;
    }
    this.#wish.ending(`${signal}: flushing and ending`);
    const again = this.#ending;
    this.#ending = true;
    if (!this.#server.isReady && this.#kept.device !== null && !again) return;
    this.#askedToEnd = this.#server;
    this.#server.signal(signal);
  }

  async #upgrade(): Promise<void> {
    if (this.#upgrading || this.#ending) return;
    this.#upgrading = true;
    this.#refused = null;
    try {
      this.#pauseMs = Math.round(await this.#replace());
      const what = `served by ${this.#version} after a pause of ${this.#pauseMs} ms`;
      this.#wish.log.info(`'${this.#wish.mountpoint}' is ${what}`);
    } catch (thrown) {
      this.#refused = asSheepfsError(thrown).message;
      this.#wish.log.warn(`no upgrade: ${this.#refused}`);
    } finally {
      this.#upgrading = false;
      this.#upgrades += 1;
      this.#writeCard();
    }
  }

  /**
   * The old server goes on until the new one is loaded, and again when that cannot take over.
   * @returns for how many milliseconds nobody served
   */
  async #replace(): Promise<number> {
    const old = this.#server;
    if (!old.isReady) {
      throw new SheepfsError("busy", "the server has just been started; try again later");
    }
    const program = this.#open();
    const server = this.#start(program);
    const version = await within(server.loaded, limits.successorLoadMs);
    if (version === null) {
      server.signal("SIGKILL");
      this.#drop(program);
      const end = await server.ended;
      const why = end.how === "died" ? end.why : "it did not answer";
      throw new SheepfsError("unavailable", `'${program.title}' cannot take over: ${why}`);
    }
    this.#candidate = { server, program };
    const leftMs = performance.now();
    old.signal("SIGUSR2");
    const yielded = await within(old.ended, limits.handOverMs + limits.daemonEndMs);
    if (yielded === null) {
      this.#candidate = null;
      server.signal("SIGKILL");
      this.#drop(program);
      const text = "the server did not hand over, as requests of the kernel wait for the cluster";
      throw new SheepfsError("busy", `${text}; try again later`);
    }
    const said = await within(server.ready, limits.upgradeTimeoutMs);
    if (said !== null) return performance.now() - leftMs;
    server.signal("SIGKILL");
    throw new SheepfsError("unavailable", `'${program.title}' (${version}) could not take over`);
  }

  #writeCard(): void {
    const card: KeeperCard = {
      mountpoint: this.#wish.mountpoint,
      keeper: process.pid,
      server: this.#server.pid,
      version: this.#version,
      upgrades: this.#upgrades,
      refused: this.#refused,
      pauseMs: this.#pauseMs,
    };
    // Spaces behind it hide the rest of a longer one.
    writeSync(this.#card, `${JSON.stringify(card)}\n`.padEnd(4096), 0);
  }
}
