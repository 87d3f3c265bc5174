// A program that treats one file as a disk: random reads, writes, fsyncs and punches, each read held
// against a model in memory. A process of its own, since a test must not wait for its own mount.
import { dlopen } from "bun:ffi";
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { seededRandom } from "../../src/base/random.ts";

interface Walk {
  readonly path: string;
  readonly bytes: number;
  readonly steps: number;
  readonly seed: number;
  readonly direct: boolean;
}

const sectorBytes = 512;
const pieceSectorsMax = 96;
const punchHole = 3;

const { symbols: libc } = dlopen("libc.so.6", {
  fallocate: { args: ["int", "int", "i64", "i64"], returns: "int" },
});

function walk({ path, bytes, steps, seed, direct }: Walk): void {
  const random = seededRandom(seed);
  const fd = openSync(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0));
  const model = new Uint8Array(bytes);
  const buffer = new Uint8Array(new ArrayBuffer(1 << 20));
  const fail = (step: number, what: string): never => {
    throw new Error(`SEED=${seed} step ${step}: ${what}`);
  };
  const check = (step: number, offset: number, length: number): void => {
    const got = readSync(fd, buffer, 0, length, offset);
    if (got !== length) fail(step, `read of ${length} at ${offset} gave ${got}`);
    if (Buffer.compare(buffer.subarray(0, length), model.subarray(offset, offset + length)) === 0) {
      return;
    }
    const wrong = buffer.findIndex((byte, index) => byte !== model[offset + index]);
    fail(step, `byte ${offset + wrong} is ${buffer[wrong]}, should be ${model[offset + wrong]}`);
  };
  for (let step = 0; step < steps; step += 1) {
    const sector = random.below(bytes / sectorBytes);
    const sectors = 1 + random.below(random.below(8) === 0 ? pieceSectorsMax : 8);
    // A third of what is not direct lies at any byte.
    const odd = !direct && random.below(3) === 0 ? random.below(sectorBytes) : 0;
    const offset = sector * sectorBytes + odd;
    const length = Math.min(
      sectors * sectorBytes - (odd > 0 ? random.below(300) : 0),
      bytes - offset,
    );
    const what = random.below(100);
    if (what < 50) {
      check(step, offset, length);
    } else if (what < 97) {
      const value = random.u32();
      for (let at = 0; at < length; at += 1) buffer[at] = (value >>> ((at & 3) * 8)) ^ at;
      const put = writeSync(fd, buffer, 0, length, offset);
      if (put !== length) fail(step, `write of ${length} at ${offset} gave ${put}`);
      model.set(buffer.subarray(0, length), offset);
    } else if (what < 99) {
      if (libc.fallocate(fd, punchHole, offset, length) !== 0) fail(step, "fallocate failed");
      model.fill(0, offset, offset + length);
    } else {
      fsyncSync(fd);
    }
  }
  for (let offset = 0; offset < bytes; offset += buffer.length) {
    check(steps, offset, Math.min(buffer.length, bytes - offset));
  }
  fsyncSync(fd);
  closeSync(fd);
}

const [path = "", bytes, steps, seed, direct] = process.argv.slice(2);
walk({
  path,
  bytes: Number(bytes),
  steps: Number(steps),
  seed: Number(seed),
  direct: direct === "direct",
});
console.log("all read as written");
