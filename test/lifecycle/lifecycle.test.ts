import { expect, test } from "bun:test";
import { startCluster } from "../support/cluster.ts";
import { play } from "./play.ts";

/** As many as two cores take in some twenty seconds; `npm run lifecycle` takes as many as one likes. */
const steps = 1_500;

// [S-150]
test("whatever is made, written, snapshotted, cloned, rolled back and deleted, what is there is right, and nothing is left of the rest", async () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9));
  console.log("seed", seed);
  await using cluster = await startCluster();
  const counts = await play(cluster, { seed, steps, checkEach: 500, told: () => {}, trace: false });
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(steps);
}, 200_000);
