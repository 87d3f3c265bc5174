import type { Player } from "./player.ts";
import { ioSteps } from "./steps-io.ts";
import { lifeSteps } from "./steps-life.ts";
import { openSteps } from "./steps-open.ts";

/** One thing that is done. */
export interface Step {
  readonly name: string;
  /** How often it is chosen, beside the others. */
  readonly weight: number;
  /** Also when there are as many VDIs as there may be. */
  readonly frees: boolean;
  run(player: Player, tell: (what: string) => void): Promise<void>;
}

const steps: readonly Step[] = [...ioSteps, ...openSteps, ...lifeSteps];

export function chooseStep(player: Player): Step {
  const possible = player.isFull ? steps.filter(({ frees }) => frees) : steps;
  let left = player.below(possible.reduce((sum, { weight }) => sum + weight, 0));
  for (const step of possible) {
    left -= step.weight;
    if (left < 0) return step;
  }
  throw new Error("the weights do not add up");
}
