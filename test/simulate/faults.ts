import type { Random } from "../../src/base/random.ts";
import type { SheepClient } from "../../src/client/client.ts";
import { opcodes } from "../../src/wire/opcode.ts";
import { results } from "../../src/wire/result.ts";
import type { SimulatedClock } from "./clock.ts";
import { type Answer, failure, type Incoming, type SimulatedCluster } from "./cluster.ts";
import type { SimulatedNetwork } from "./network.ts";
import { SimulatedRecovery } from "./recovery.ts";
import type { SimulatedSheep } from "./sheep.ts";

/** Where it happens. */
export interface Place {
  readonly clock: SimulatedClock;
  readonly network: SimulatedNetwork;
  readonly cluster: SimulatedCluster;
  readonly sheep: readonly SimulatedSheep[];
  readonly client: SheepClient;
}

interface Kind {
  readonly name: string;
  readonly changesMembers?: boolean;
  strike(sheep: SimulatedSheep): void;
}

/** Results that pass, or that another gateway does not have. */
const passing = [
  results.again.code,
  results.network.code,
  results.inRecovery.code,
  results.halted.code,
  results.shuttingDown.code,
  results.oldEpoch.code,
  results.noMemory.code,
] as const;

/** Of one run: what goes wrong all the time keeps operations waiting and shows nothing new. */
const strikesMax = 40;

/** How often a kind happens in one run: most runs have few kinds, and some of those often. */
const weights = [0, 0, 1, 1, 6] as const;

/**
 * What goes wrong, drawn from the seed: a swarm, where each run leaves some kinds out and has others
 * often.
 */
export class Misfortune {
  /** How often each kind has struck. */
  readonly struck: Record<string, number> = {};
  /** Bytes of answers are changed on their way. */
  readonly garbles: boolean;
  /** The members of the cluster stay the same, so that no recovery puts anything back. */
  readonly steady: boolean;
  readonly #place: Place;
  readonly #random: Random;
  /** Each kind as often as it weighs. */
  #kinds: readonly Kind[];
  readonly #pauseMs: number;
  readonly #longestMs: number;
  readonly #trace: (line: string) => void;
  #left: number;
  #full = false;
  #over = false;

  /** @param further what else may happen here, by name */
  constructor(
    place: Place,
    random: Random,
    further: Readonly<Record<string, () => void>> = {},
    trace: (line: string) => void = () => {},
  ) {
    this.#place = place;
    this.#random = random;
    this.#trace = trace;
    this.#longestMs = this.#one([500, 2_000, 12_000, 40_000]);
    this.#pauseMs = this.#one([150, 600, 3_000]);
    this.#left = 5 + random.below(strikesMax);
    const others = Object.entries(further).map(([name, strike]) => ({ name, strike }));
    const all = [...this.#sheepKinds(), ...this.#clusterKinds(), ...others];
    this.#kinds = all.flatMap((kind) => new Array<Kind>(this.#one(weights)).fill(kind));
    this.steady =
      random.below(4) === 0 || !this.#kinds.some(({ changesMembers }) => changesMembers);
    if (this.steady) this.#kinds = this.#kinds.filter(({ changesMembers }) => !changesMembers);
    this.garbles = this.#kinds.some(({ name }) => name === "garble");
    this.#weather();
    for (const sheep of place.sheep) this.#nature(sheep);
    this.#strike();
  }

  /** From here all goes well, and fast: what has not ended by and by never does. */
  end(): void {
    this.#over = true;
    this.#full = false;
    const { sheep: all, network } = this.#place;
    Object.assign(network.weather, { latencyMs: 1, cutBytes: 1 << 20, takeBytes: 1 << 20 });
    for (const sheep of all) {
      network.heal(sheep.address);
      sheep.wake();
      this.#restart(sheep);
      sheep.script.garble = (reply) => reply;
      sheep.script.instead = () => null;
      sheep.script.delayMs = () => 1;
      sheep.script.repeats = () => 0;
    }
  }

  #sheepKinds(): Kind[] {
    const { network, client, clock } = this.#place;
    return [
      { name: "cut", strike: (sheep) => sheep.cut() },
      {
        name: "death",
        changesMembers: true,
        strike: (sheep) => {
          sheep.kill();
          this.#later(() => this.#miss(sheep));
          this.#later(() => this.#restart(sheep));
        },
      },
      {
        name: "stop",
        strike: (sheep) => {
          this.#stop(sheep);
          this.#later(() => sheep.wake());
        },
      },
      {
        name: "expulsion",
        changesMembers: true,
        strike: (sheep) => {
          this.#stop(sheep);
          this.#later(() => this.#miss(sheep));
          this.#later(() => {
            sheep.wake();
            this.#later(() => this.#restart(sheep));
          });
        },
      },
      {
        name: "partition",
        strike: (sheep) => {
          network.part(sheep.address);
          this.#later(() => network.heal(sheep.address));
        },
      },
      { name: "garble", strike: (sheep) => this.#garble(sheep) },
      { name: "refusal", strike: (sheep) => this.#refuse(sheep) },
      {
        name: "move",
        strike: (sheep) => {
          const scope = { deadlineMs: clock.nowMs() + 10_000, cancelled: false };
          const never = { ...scope, onCancel: () => () => {} };
          client.moveTo([sheep.address, ...client.gateways.slice(0, 3)], never).catch(() => {});
        },
      },
    ];
  }

  #clusterKinds(): Kind[] {
    const { cluster } = this.#place;
    return [
      { name: "epoch", changesMembers: true, strike: () => cluster.change() },
      {
        name: "full",
        strike: () => {
          this.#full = true;
          this.#later(() => {
            this.#full = false;
          });
        },
      },
    ];
  }

  #weather(): void {
    const { network, cluster, clock } = this.#place;
    network.weather.latencyMs = this.#one([1, 5, 40]);
    network.weather.cutBytes = this.#one([700, 50_000, 1 << 20]);
    network.weather.takeBytes = this.#one([900, 60_000, 1 << 20]);
    const recoveryMs = this.#one([10, 1_000, 6_000]);
    const { content } = cluster;
    cluster.recovery = new SimulatedRecovery({ content, clock, random: this.#random }, recoveryMs);
  }

  /** How one sheep does what it is asked for. */
  #nature(sheep: SimulatedSheep): void {
    const random = this.#random;
    const slowMs = this.#one([1, 30, 400]);
    const repeated = this.#one([0, 0, 30, 300]);
    const outlived = this.#one([0, 500, 900]);
    const removalMs = this.#one([1, 30, 2_000]);
    Object.assign(sheep.script, {
      delayMs: () => random.below(slowMs),
      repeats: () => (random.below(1_000) < repeated ? 1 : 0),
      removalMs: () => random.below(removalMs),
      outlives: () => {
        if (random.below(1_000) >= outlived) return null;
        const part = random.below(2) === 0 ? 1 : random.below(1_000) / 1_000;
        return { afterMs: random.below(1_000), part };
      },
      instead: (request: Incoming) => (this.#isRefused(request) ? noSpace : null),
      garble: (reply: Uint8Array<ArrayBuffer>, request: Incoming) =>
        this.#outOfSpace(reply, request),
    });
  }

  /** A full disk refuses before anything is written, or after. */
  #isRefused(request: Incoming): boolean {
    return this.#full && changes(request) && this.#random.below(2) === 0;
  }

  #outOfSpace(reply: Uint8Array<ArrayBuffer>, request: Incoming): Uint8Array {
    const view = new DataView(reply.buffer);
    const succeeded = view.getUint32(16, true) === results.success.code;
    if (this.#full && succeeded && changes(request)) view.setUint32(16, results.noSpace.code, true);
    return reply;
  }

  #strike(): void {
    this.#place.clock.after(this.#pauseMs / 10 + this.#random.below(this.#pauseMs), () => {
      if (this.#over || this.#left === 0) return;
      this.#left -= 1;
      const kind = this.#kinds[this.#random.below(Math.max(1, this.#kinds.length))];
      const { sheep: all } = this.#place;
      const sheep = all[this.#random.below(all.length)];
      if (kind !== undefined && sheep !== undefined) {
        this.struck[kind.name] = (this.struck[kind.name] ?? 0) + 1;
        this.#trace(`${kind.name}, sheep ${sheep.address.port}`);
        kind.strike(sheep);
      }
      this.#strike();
    });
  }

  #later(fn: () => void): void {
    this.#place.clock.after(this.#random.below(this.#longestMs), fn);
  }

  /** What it has read it executes when it wakes, whether it still is connected or not. */
  #stop(sheep: SimulatedSheep): void {
    sheep.stop();
    if (this.#random.below(2) === 0) sheep.cut();
  }

  /** The others notice that it is dead or stopped, if it still is. */
  #miss(sheep: SimulatedSheep): void {
    const { members } = this.#place.cluster;
    const alone = members.length === 1 || !members.includes(sheep.address);
    if (!alone && (!sheep.running || sheep.stopped)) sheep.expel();
  }

  /** It joins anew when it was dead, whether the others had noticed or not. */
  #restart(sheep: SimulatedSheep): void {
    if (sheep.running) return;
    const { cluster } = this.#place;
    cluster.leave(sheep.address);
    sheep.start();
    cluster.join(sheep.address);
  }

  #garble(sheep: SimulatedSheep): void {
    let left = 1 + this.#random.below(3);
    sheep.script.garble = (reply, request) => {
      if (left === 0) return this.#outOfSpace(reply, request);
      left -= 1;
      return garbled(reply, this.#random);
    };
  }

  #refuse(sheep: SimulatedSheep): void {
    let left = 1 + this.#random.below(10);
    sheep.script.instead = (request) => {
      if (this.#isRefused(request)) return noSpace;
      if (left === 0 || request.opcode === opcodes.statCluster.code) return null;
      left -= 1;
      const code = passing[left % passing.length] ?? results.again.code;
      if (code === results.network.code) this.#wanders(sheep, request);
      return failure(code);
    };
  }

  /** The sheep lost touch with the others over it: what they got they may still carry out. */
  #wanders(sheep: SimulatedSheep, request: Incoming): void {
    if (!changes(request) || this.#random.below(2) === 0) return;
    const work = sheep.cluster.start(request);
    this.#place.clock.after(this.#random.below(1_000), () => work.finish(1));
  }

  #one<T>(of: readonly [T, ...T[]]): T {
    return of[this.#random.below(of.length)] ?? of[0];
  }
}

const noSpace: Answer = failure(results.noSpace.code);

function changes({ opcode, length }: Incoming): boolean {
  if (length === 0) return false;
  return opcode === opcodes.writeObject.code || opcode === opcodes.createAndWriteObject.code;
}

/** An answer that contradicts the protocol. */
function garbled(reply: Uint8Array<ArrayBuffer>, random: Random): Uint8Array {
  const view = new DataView(reply.buffer);
  switch (random.below(5)) {
    case 0:
      view.setUint32(12, view.getUint32(12, true) + 1 + random.below(1000), true);
      return reply;
    case 1:
      view.setUint32(12, Math.max(0, view.getUint32(12, true) - 1), true);
      return reply.length > 48 ? reply.slice(0, -1) : new Uint8Array(48);
    case 2:
      view.setUint8(1, 0x7e);
      return reply;
    case 3:
      view.setUint32(8, random.u32(), true);
      return reply;
    default: {
      const bytes = new Uint8Array(random.below(200)).map(() => random.below(256));
      // A part of a header alone is no answer but silence, and a sheep that lives is waited for.
      return bytes.length < 48
        ? Uint8Array.from({ length: 48 }, (_, at) => bytes[at] ?? 0xff)
        : bytes;
    }
  }
}
