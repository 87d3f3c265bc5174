import { silentLogger } from "../../src/base/log.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { CancelScope } from "../../src/base/scope.ts";
import { SheepClient } from "../../src/client/client.ts";
import { resolveVdi } from "../../src/cluster/resolve.ts";
import type { VolumePorts } from "../../src/volume/core.ts";
import type { VdiName } from "../../src/volume/ports.ts";
import { SliceCache } from "../../src/volume/slice-cache.ts";
import { Volume } from "../../src/volume/volume.ts";
import { World } from "../unit/client/world.ts";
import { Misfortune } from "./faults.ts";
import { Photographer } from "./photographer.ts";
import { VolumeUser } from "./user.ts";

export interface Played {
  readonly seed: number;
  /** What is wrong; empty when all is well. */
  readonly wrong: readonly string[];
  /** Ends of operations, faults and what the client did, by name. */
  readonly counts: Readonly<Record<string, number>>;
  readonly simulatedMs: number;
}

/** Time that all that is under way may take, with faults and after the last of them. */
const troubledMs = 900_000;
const calmMs = 600_000;
const lastAnswersMs = 1_000;
/** What was cut loose has landed by then, and every late look been taken. */
const settleMs = 120_000;

/**
 * One run: sheep, a client, volumes in use and misfortune, all drawn from the seed. Nothing of it
 * is a copy: volume, client and look-ups are the program's.
 * @param trace told of everything that happens, in a line
 */
export function play(seed: number, trace: ((line: string) => void) | null): Played {
  return new Scene(seed, trace).play();
}

interface Subject {
  readonly name: VdiName;
  readonly user: VolumeUser;
}

class Scene {
  readonly #seed: number;
  readonly #random: Random;
  readonly #world: World;
  readonly #subjects: Subject[] = [];
  readonly #photographers = new Map<VolumeUser, Photographer>();
  readonly #trace: (line: string) => void;
  readonly #wrong: string[] = [];

  constructor(seed: number, trace: ((line: string) => void) | null) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#world = new World({ sheep: 1 + this.#random.below(3), seed });
    const { clock, sheep: all } = this.#world;
    this.#trace =
      trace === null ? () => {} : (line) => trace(`${clock.nowMs().toFixed(1)} ${line}`);
    if (trace === null) return;
    for (const sheep of all) sheep.trace = (line) => this.#trace(`${sheep.address.port} ${line}`);
  }

  play(): Played {
    const { clock, client } = this.#world;
    const beganMs = clock.nowMs();
    const count = 1 + this.#random.below(2);
    for (let number = 0; number < count; number += 1) this.#addVolume(`test${number}`, number);
    const misfortune = this.#beginMisfortune();
    for (const { user } of this.#subjects) {
      user.atomic = misfortune.steady && !user.discards;
      user.begin();
    }
    clock.until(() => this.#isOver(), troubledMs);
    misfortune.end();
    this.#trace("no more faults");
    if (!clock.until(() => this.#isOver(), calmMs)) {
      this.#wrong.push(`stuck: ${JSON.stringify(client.stats())}`);
    }
    // What was garbled before may still be on its way, and who asks then is told of it.
    clock.pass(lastAnswersMs);
    this.#gather();
    if (this.#wrong.length === 0) this.#lookAtTheEnd();
    this.#gather();
    const simulatedMs = clock.nowMs() - beganMs;
    void client[Symbol.asyncDispose]();
    return { seed: this.#seed, wrong: this.#wrong, counts: this.#counts(misfortune), simulatedMs };
  }

  /** Asked after every event. */
  #isOver(): boolean {
    if (this.#world.cluster.violations.length > 0) return true;
    let idle = true;
    for (const { user } of this.#subjects) {
      if (user.wrong.length > 0) return true;
      idle &&= user.idle;
    }
    for (const photographer of this.#photographers.values()) idle &&= photographer.idle;
    return idle;
  }

  #gather(): void {
    this.#wrong.push(...this.#world.cluster.violations.splice(0));
    for (const { user } of this.#subjects) this.#wrong.push(...user.wrong.splice(0));
  }

  #addVolume(title: string, number: number): void {
    const { clock, cluster, client } = this.#world;
    const random = this.#random;
    const objectShift = random.below(4) === 0 ? 14 : 12;
    // The last object is a part of one, mostly.
    const sectors = 8 + random.below(objectShift === 12 ? 200 : 300);
    const storePolicy = random.below(8) === 0 ? 1 : 0;
    cluster.content.createVdi({
      name: title,
      sizeBytes: sectors * 512,
      objectShift,
      storePolicy,
    });
    const name = { name: new TextEncoder().encode(title), snapshot: null };
    const volume = clock.settle(this.#open(client, name));
    const user = new VolumeUser({
      clock,
      random,
      volume,
      title,
      lanes: 1 + random.below(6),
      operations: 12 + random.below(number === 0 ? 40 : 20),
      trace: this.#trace,
    });
    this.#subjects.push({ name, user });
  }

  #beginMisfortune(): Misfortune {
    const { clock, cluster } = this.#world;
    const random = this.#random;
    const stepMs = [5, 300, 2_500][random.below(3)] ?? 5;
    const kinds: Record<string, () => void> = {};
    for (const [at, { user, name }] of this.#subjects.entries()) {
      // There are no snapshots of hypervolumes.
      if (user.volume.header.storePolicy === 1) continue;
      const { content } = cluster;
      const trace = this.#trace;
      const by = new Photographer({ clock, random, content, user, name, stepMs, trace });
      this.#photographers.set(user, by);
      kinds[`snapshot of ${at}`] = () => by.take();
    }
    return new Misfortune(this.#world, random, kinds, this.#trace);
  }

  /** All that was acknowledged is there, for us and for others, and whatever is named exists. */
  #lookAtTheEnd(): void {
    const { clock } = this.#world;
    const users = this.#subjects.map(({ user }) => user);
    try {
      for (const user of users) this.#flush(user);
      clock.pass(settleMs);
      for (const user of users) this.#flush(user);
      const client = this.#newClient();
      for (const subject of this.#subjects) this.#verify(subject, client);
      this.#checkIndexes();
      void client[Symbol.asyncDispose]();
    } catch (thrown) {
      this.#wrong.push(String(thrown));
    }
  }

  #flush(user: VolumeUser): void {
    const code = this.#world.clock.settle(user.flush());
    if (code !== null) throw new Error(`a flush fails when all is well: ${code}`);
  }

  #verify({ user, name }: Subject, client: SheepClient): void {
    const { clock } = this.#world;
    const { floors } = user.model.view(0, user.model.sectors);
    clock.settle(user.verify(user.volume, floors, null));
    // What ours showed counts: others see the same.
    const shown = user.model.view(0, user.model.sectors).floors;
    clock.settle(user.verify(clock.settle(this.#open(client, name)), shown, null));
    for (const taken of this.#photographers.get(user)?.taken ?? []) {
      const snapshot = { name: name.name, snapshot: { id: taken.snapId } };
      const then = clock.settle(this.#open(client, snapshot));
      clock.settle(user.verify(then, taken.floors, taken.order, taken.unknown));
    }
  }

  /** No slot of a working VDI names what is not there. */
  #checkIndexes(): void {
    const { content } = this.#world.cluster;
    for (const vid of content.vids()) {
      const inode = content.inode(vid);
      if (inode.header.storePolicy === 1 || inode.header.isSnapshot) continue;
      for (let index = 0; index < inode.slotCount; index += 1) {
        const slot = inode.slot(index);
        if (slot === 0 || content.object(slot, index) !== null) continue;
        this.#wrong.push(`slot ${index} of vid ${vid} names vid ${slot}, which has no such object`);
      }
    }
  }

  #newClient(): SheepClient {
    const { clock, network, client } = this.#world;
    return new SheepClient({
      gateways: client.gateways,
      transport: network,
      clock,
      random: this.#random,
      log: silentLogger,
      objectCache: false,
      predecessors: [],
    });
  }

  #open(client: SheepClient, name: VdiName): Promise<Volume> {
    const { clock } = this.#world;
    const ports: VolumePorts = {
      store: client.store,
      resolver: { resolve: (wanted, scope) => resolveVdi(client, wanted, scope) },
      clock,
      log: silentLogger,
      cache: new SliceCache(),
      btreeNodeEntriesMax: 4,
    };
    const readOnly = name.snapshot !== null;
    const scope = new CancelScope(clock.nowMs() + 60_000);
    return Volume.open(
      ports,
      { name, title: new TextDecoder().decode(name.name), readOnly },
      scope,
    );
  }

  #counts(misfortune: Misfortune): Record<string, number> {
    const counts: Record<string, number> = {};
    const add = (more: Readonly<Record<string, number>>, before: string): void => {
      for (const [key, value] of Object.entries(more)) {
        counts[`${before}${key}`] = (counts[`${before}${key}`] ?? 0) + value;
      }
    };
    for (const { user } of this.#subjects) add(user.ends, "");
    add(misfortune.struck, "struck: ");
    const { replays, repeats, retries, connectionsLost, inDoubt } = this.#world.client.stats();
    add({ replays, repeats, retries, connectionsLost, inDoubt }, "client: ");
    for (const { taken } of this.#photographers.values()) add({ snapshots: taken.length }, "");
    return counts;
  }
}
