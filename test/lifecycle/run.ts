// `npm run lifecycle`: a long random life of volumes and snapshots, held against a model.
//   npm run lifecycle -- --steps 100000 [--seed N] [--check 1000] [--sheep HOST:PORT] [--trace]
// Without --sheep it has an embedded sheep of its own. A cluster that is named has to be nobody else's
// meanwhile.
import { parseArgs } from "node:util";
import { NamedCluster, startSheepProcess } from "../support/cluster.ts";
import { play } from "./play.ts";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "100000" },
    seed: { type: "string" },
    check: { type: "string", default: "1000" },
    sheep: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});

const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const wish = { seed, steps: Number(values.steps), checkEach: Number(values.check) };
if (!Object.values(wish).every((number) => Number.isSafeInteger(number) && number >= 0)) {
  console.error("--seed, --steps and --check are whole numbers");
  process.exit(64);
}
console.log("seed", seed);
const { sheep } = values;
await using cluster = sheep === undefined ? await startSheepProcess() : new NamedCluster(sheep);
const beganMs = performance.now();
try {
  const counts = await play(cluster, { ...wish, trace: values.trace, told: console.log });
  const seconds = (performance.now() - beganMs) / 1000;
  for (const [name, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    console.log(`${String(count).padStart(8)} ${name}`);
  }
  console.log(`${wish.steps} steps in ${seconds.toFixed(0)} s: all is well`);
} catch (thrown) {
  // Not an exit, which would leave the sheep behind.
  console.log(reasons(thrown));
  process.exitCode = 1;
}

/** What ended it, and what ended its end. */
function reasons(thrown: unknown): string {
  if (thrown instanceof SuppressedError) {
    return `${reasons(thrown.suppressed)}\nand then: ${reasons(thrown.error)}`;
  }
  return thrown instanceof Error ? thrown.message : String(thrown);
}
