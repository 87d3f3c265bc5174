import { expect, test } from "bun:test";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { Misfortune } from "../../simulate/faults.ts";
import { keyOf, TestRequest, World } from "./world.ts";

const seeds = seedsToRun();
const workers = 10;
const operations = 40;
const objects = 3;
const spanBytes = 65_536;

function seedsToRun(): number[] {
  const given = process.env["SEED"];
  if (given !== undefined) return [Number(given)];
  const first = Math.floor(Math.random() * 1e9);
  return Array.from({ length: 15 }, (_, number) => first + number);
}

/** Fills with a value that only this write has. */
function stamped(length: number, stamp: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 4 <= length; at += 4) view.setUint32(at, stamp, true);
  return bytes;
}

/** The stamp that all of it has; -1 when it is torn. */
function stampOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stamp = view.getUint32(0, true);
  for (let at = 4; at < bytes.length; at += 4) {
    if (view.getUint32(at, true) !== stamp) return -1;
  }
  return stamp;
}

/**
 * Owns one range of one object, as a volume's lock does: one write at a time, none while one is in
 * doubt, reads in between. Knows which values a read may give.
 */
class Worker {
  readonly wrong: string[] = [];
  readonly requests: TestRequest[] = [];
  left = operations;
  idle = true;
  /** The members of the cluster stay the same. */
  steady = false;
  #allowed = new Set<number>([0]);
  readonly #world: World;
  readonly #random: Random;
  readonly #number: number;
  readonly #length: number;

  constructor(world: World, random: Random, number: number) {
    this.#world = world;
    this.#random = random;
    this.#number = number;
    const lengths = [512, 4096, 20_000, 65_536];
    this.#length = lengths[random.below(lengths.length)] ?? 512;
  }

  next(): void {
    this.left -= 1;
    this.idle = false;
    if (this.#random.below(2) === 0) this.#write();
    else this.read(() => this.#soon());
  }

  read(after: () => void): void {
    const request = this.#request("read", null);
    request.onDone = () => {
      const { error } = request;
      if (error === null) this.#seen(stampOf(request.data));
      else if (error.inDoubt) this.wrong.push(`a read in doubt: ${error.message}`);
      after();
    };
    this.#world.client.store.submit(request);
  }

  #write(): void {
    const stamp = this.#number * 1_000_000 + this.left + 1;
    const request = this.#request("write", stamped(this.#length, stamp));
    request.onDone = () => {
      const { error } = request;
      // Whoever owned the buffer may use it now.
      request.buffer.fill(0xaa);
      if (error === null) this.#allowed = new Set([stamp]);
      else this.#allowed.add(stamp);
      if (error === null || !error.inDoubt) this.#soon();
    };
    request.onResolved = () => this.#soon();
    this.#world.client.store.submit(request);
  }

  #seen(stamp: number): void {
    if (!this.#allowed.has(stamp)) {
      const allowed = [...this.#allowed].join(" or ");
      this.wrong.push(`worker ${this.#number} read ${stamp} where ${allowed} is`);
    }
    // What was not acknowledged a recovery may take away again.
    if (this.steady) this.#allowed = new Set([stamp]);
  }

  #soon(): void {
    this.idle = true;
    if (this.left === 0) return;
    this.#world.clock.after(this.#random.below(300), () => this.next());
  }

  #request(kind: "read" | "write", data: Uint8Array | null): TestRequest {
    const last = this.left === 0 && kind === "read";
    const timeoutMs = !last && this.#random.below(8) === 0 ? 1_000 : 60_000;
    const scope = this.#world.scope(timeoutMs);
    if (!last && this.#random.below(15) === 0) {
      this.#world.clock.after(this.#random.below(100), () => scope.cancel());
    }
    const request = new TestRequest(scope, {
      kind,
      index: this.#number % objects,
      offset: Math.floor(this.#number / objects) * spanBytes,
      ...(data === null ? { length: this.#length } : { data }),
    });
    request.takesLent = this.#random.below(2) === 0;
    this.requests.push(request);
    return request;
  }
}

async function play(seed: number): Promise<string[]> {
  const random = seededRandom(seed);
  await using world = new World({ sheep: 1 + random.below(3), seed });
  for (let index = 0; index < objects; index += 1) {
    world.cluster.objects.set(
      keyOf(index),
      new Uint8Array(Math.ceil(workers / objects) * spanBytes),
    );
  }
  const crew = Array.from({ length: workers }, (_, number) => new Worker(world, random, number));
  const warm = new TestRequest(world.scope(), { kind: "read", length: 512 });
  world.run(warm);
  const misfortune = new Misfortune(world, random);
  for (const worker of crew) {
    worker.steady = misfortune.steady;
    worker.next();
  }
  world.clock.until(() => crew.every((worker) => worker.idle && worker.left === 0), 400_000);
  misfortune.end();
  const wrong: string[] = [];
  if (!world.clock.until(() => crew.every((worker) => worker.idle && worker.left === 0), 400_000)) {
    wrong.push(`stuck: ${JSON.stringify(world.client.stats())}`);
    return wrong;
  }
  // What was cut loose may land until here; then all is as it was acknowledged.
  world.clock.pass(120_000);
  let ended = 0;
  for (const worker of crew) worker.read(() => (ended += 1));
  world.clock.until(() => ended === workers, 60_000);
  for (const worker of crew) {
    wrong.push(...worker.wrong);
    for (const request of worker.requests) {
      const { dones, resolves, error, kind } = request;
      const due = error?.inDoubt === true ? 1 : 0;
      if (dones === 1 && resolves === due) continue;
      wrong.push(`a ${kind} was done ${dones} times, resolved ${resolves} times`);
    }
    if (worker.requests.at(-1)?.error !== null) wrong.push("the last read failed");
  }
  // What the client asks of itself about its cluster is over too.
  world.clock.pass(10_000);
  const { requestsInflight, bytesInflight } = world.client.stats();
  if (requestsInflight !== 0 || bytesInflight !== 0) wrong.push("something is left under way");
  return wrong;
}

test("whatever goes wrong, every request ends once, and a read gives what was acknowledged", async () => {
  console.log("seed", seeds[0]);
  for (const seed of seeds) {
    const wrong = await play(seed);
    if (wrong.length > 0) console.log("seed", seed);
    expect(wrong).toEqual([]);
  }
}, 120_000);
