import { expect, test } from "bun:test";
import { play } from "./play.ts";

/** As many as two cores play in a minute; `npm run simulate` plays as many as one likes. */
const seedsInAll = 2_000;
const seedsAtOnce = 50;

function firstSeed(): number {
  const given = process.env["SEED"];
  return given === undefined ? Math.floor(Math.random() * 1e9) : Number(given);
}

const first = firstSeed();
console.log("seed", first);

// [S-1] [S-2] [S-6] [S-8] [S-15] [S-41]
for (let from = first; from < first + seedsInAll; from += seedsAtOnce) {
  test(`seeds ${from - first} and on: reads show what may be there, and what was flushed is there at the end`, () => {
    for (let seed = from; seed < from + seedsAtOnce; seed += 1) {
      const { wrong } = play(seed, null);
      if (wrong.length > 0) console.log(`npm run simulate -- --seed ${seed}`);
      expect(wrong).toEqual([]);
    }
  }, 120_000);
}

test("a seed plays the same again", () => {
  const told = (): string[] => {
    const lines: string[] = [];
    const { wrong } = play(first, (line) => lines.push(line));
    return [...lines, ...wrong];
  };
  expect(told()).toEqual(told());
});
