import { seededRandom } from "../../src/base/random.ts";
import type { TestCluster } from "../support/cluster.ts";
import { Check } from "./check.ts";
import { Player } from "./player.ts";
import { chooseStep } from "./steps.ts";
import { World } from "./world.ts";

export interface Wish {
  readonly seed: number;
  readonly steps: number;
  /** Steps from one look at everything to the next. */
  readonly checkEach: number;
  readonly told: (line: string) => void;
  /** Is told each step as well. */
  readonly trace: boolean;
}

const lastShown = 40;

/**
 * Does random things to a cluster, each also to the model, which says how it has to end, and looks
 * at everything now and then. The seed decides all of it.
 * @returns how often each step was taken
 * @throws Error with the last steps, when cluster and model are not the same
 */
export async function play(cluster: TestCluster, wish: Wish): Promise<Map<string, number>> {
  const { seed, steps, checkEach, told, trace } = wish;
  await using world = await World.open(cluster);
  const player = new Player(world, seededRandom(seed), `life${seed.toString(36)}-`);
  const check = await Check.begin(world, player);
  const counts = new Map<string, number>();
  const last: string[] = [];
  let at = 0;
  try {
    for (at = 1; at <= steps; at += 1) {
      player.step = at;
      const step = chooseStep(player);
      counts.set(step.name, (counts.get(step.name) ?? 0) + 1);
      last.push(`${at}: ${step.name}`);
      if (last.length > lastShown) last.shift();
      await step.run(player, (text) => {
        last[last.length - 1] += ` ${text}`;
      });
      if (trace) told(last.at(-1) ?? "");
      if (at % checkEach !== 0 && at !== steps) continue;
      await check.everything();
      told(`${at} of ${steps} steps, ${player.model.live.length} VDIs and snapshots: all is well`);
    }
    await player.end();
    await check.everything();
  } catch (thrown) {
    const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    throw new Error(`seed ${seed}, step ${at}: ${why}\n${last.join("\n")}`, { cause: thrown });
  }
  return counts;
}
