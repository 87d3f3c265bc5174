import { type Core, openCore } from "./app/core.ts";
import { attachedNote, configNote, Notes, readNotes, type SavedMount } from "./app/notes.ts";
import { attachAgain, savedVolume } from "./app/saved-volumes.ts";
import { newHolder, processMark } from "./app/self.ts";
import { operationScope, serveFrontends } from "./app/serving.ts";
import { endingSignals, hasTerminal, nextSignal, quietSignals } from "./app/signals.ts";
import type { Address } from "./base/address.ts";
import { asSheepfsError, type SheepfsError } from "./base/errors.ts";
import { limits } from "./base/limits.ts";
import type { ServiceLog } from "./base/log.ts";
import type { Holder } from "./cluster/attach-record.ts";
import { FuseFrontend, type KeptMount } from "./fuse/frontend.ts";
import type { MountOptions } from "./fuse/mount-options.ts";
import { type Inheritance, KeeperLink } from "./keeper/link.ts";
import { realClock } from "./sys/clock.ts";
import type { Reactor, Watch } from "./sys/reactor.ts";

/** What to mount and how, as the command line has it. */
export interface MountWish {
  readonly mountpoint: string;
  readonly gateways: readonly Address[];
  readonly options: MountOptions;
  readonly pageCache: boolean;
  readonly objectCache: boolean;
  /** Names of VDIs as `vdi/mount` takes them. */
  readonly attach: readonly string[];
}

/**
 * Serves a mount that a keeper holds: makes it, or goes on with what a predecessor has left. How it
 * ends is told to the keeper alone.
 */
export async function serveMount(wish: MountWish, version: string, log: ServiceLog): Promise<void> {
  const link = KeeperLink.begin(version);
  // Nothing was begun, and nobody is left to be told.
  if (link === null) return;
  let error: SheepfsError | null = null;
  try {
    const { inheritance } = link;
    const saved = inheritance === null ? null : readNotes(inheritance.notes);
    await new KeptServer(wish, log, link).serve(inheritance, saved);
  } catch (thrown) {
    error = asSheepfsError(thrown);
    if (error.code === "internal") log.error("the server fails", thrown);
  }
  link.over(error);
}

class KeptServer {
  readonly #wish: MountWish;
  readonly #log: ServiceLog;
  readonly #link: KeeperLink;
  #path = "";
  #self: Holder | null = null;

  constructor(wish: MountWish, log: ServiceLog, link: KeeperLink) {
    this.#wish = wish;
    this.#log = log;
    this.#link = link;
  }

  async serve(inheritance: Inheritance | null, saved: SavedMount | null): Promise<void> {
    const { mountpoint, options } = this.#wish;
    const link = this.#link;
    const log = this.#log;
    this.#path = saved?.path ?? "";
    // Where a terminal is ours, SIGHUP means that it is gone.
    const signal = nextSignal(hasTerminal() ? endingSignals : quietSignals);
    const core = await this.#open(saved);
    const { reactor } = core;
    const keeperWatch = this.#watchKeeper(reactor);
    if (saved !== null) {
      await attachAgain(core, saved.volumes, { log, timeoutMs: options.timeoutMs });
    }
    const notes = new Notes(
      () => this.#all(core, frontend),
      (fd) => link.keepNotes(fd),
    );
    const keep: KeptMount = {
      notes: { note: (change) => notes.add({ is: "fuse", change }) },
      inheritance:
        inheritance === null || saved === null
          ? null
          : { path: saved.path, fd: inheritance.device, session: saved.session },
      mounted: (path, fd) => {
        this.#path = path;
        notes.begin();
        link.keepDevice(fd);
      },
      resumed: () => notes.begin(),
    };
    const frontend = new FuseFrontend({
      ...{ mountpoint, options, reactor, clock: realClock, log, keep },
    });
    noteChanges(core, notes);
    process.on("SIGUSR2", () => void this.#yield({ core, frontend, notes }));
    await serveFrontends({
      ...{ core, frontends: [frontend], log, pidFile: null },
      over: Promise.race([frontend.ended, signal]),
      ready: () => {
        link.ready(frontend.remark ?? "");
        return `mounted on ${this.#path}`;
      },
      reload: () => {},
    });
    keeperWatch.end();
  }

  #watchKeeper(reactor: Reactor): Watch {
    const watch = reactor.watch(this.#link.fd, {
      readable: () => {
        if (this.#link.hear()) return;
        watch.want(false, false);
        this.#log.warn("the keeper is gone: this server goes on, and none will follow it");
      },
      writable: () => {},
    });
    watch.want(true, false);
    return watch;
  }

  /** The core of a successor asks nothing of the cluster before its volumes are attached again. */
  async #open(saved: SavedMount | null): Promise<Core> {
    const { readOnly, timeoutMs } = this.#wish.options;
    // That of the keeper, which lives on while a server does not; the same for all of them.
    const holder = saved?.self ?? newHolder(process.ppid);
    this.#self = { ...holder, server: processMark(process.pid) };
    const self = this.#self;
    const wants = "soon";
    const common = { readOnly, timeoutMs, scratch: false, self, log: this.#log, wants } as const;
    if (saved === null) return await openCore({ ...this.#wish, ...common }, operationScope());
    const { config, suspects } = saved;
    const options = { ...this.#wish, ...config, ...common, predecessors: suspects, attach: [] };
    return await openCore(options, null);
  }

  /** Everything that a successor has to know, from nothing. */
  #all(core: Core, frontend: FuseFrontend): Parameters<Notes["add"]>[0][] {
    return [
      ...(this.#self === null ? [] : [{ is: "self" as const, self: this.#self }]),
      { is: "mounted", path: this.#path },
      configNote(core.config()),
      { is: "suspects", sheep: core.sheepInUse() },
      ...core.volumes.list().map((volume) => attachedNote(savedVolume(volume))),
      ...frontend.save().map((change) => ({ is: "fuse" as const, change })),
    ];
  }

  /** Leaves everything to a successor: what it does not do stays attached, locked and mounted. */
  async #yield(parts: {
    readonly core: Core;
    readonly frontend: FuseFrontend;
    readonly notes: Notes;
  }): Promise<void> {
    const { core, frontend, notes } = parts;
    const log = this.#log;
    if (!(await frontend.yield())) {
      log.warn(`requests are under way for ${limits.handOverMs / 1000} s; not handed over`);
      return;
    }
    const scope = operationScope();
    const closed = await Promise.allSettled(
      core.volumes.list().map(({ volume }) => volume.close(scope)),
    );
    const failed = closed.some(({ status }) => status === "rejected");
    // Then a successor need not wait for anything.
    if (!failed && core.volumes.list().every(({ volume }) => volume.quiet)) {
      notes.add({ is: "suspects", sheep: [] });
    }
    log.info("handing over to the next server");
    this.#link.yielded();
    process.exit(0);
  }
}

/** From now on each change is noted before anybody is told of it. */
function noteChanges(core: Core, notes: Notes): void {
  core.volumes.on(({ what, volume }) => {
    if (what === "detached") notes.add({ is: "detached", title: volume.title });
    else notes.add(attachedNote(savedVolume(volume)));
  });
  let before = JSON.stringify(core.config());
  const noteConfig = (): void => {
    const now = JSON.stringify(core.config());
    if (now !== before) notes.add(configNote(core.config()));
    before = now;
  };
  core.onSheepInUse(() => {
    notes.add({ is: "suspects", sheep: core.sheepInUse() });
    noteConfig();
  });
  core.tree.events.on(({ what }) => {
    if (what === "content") noteConfig();
  });
}
