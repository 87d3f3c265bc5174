import { limits } from "../base/limits.ts";
import type { Random } from "../base/random.ts";
import type { ReplayRule } from "../wire/opcode.ts";
import { type ResultAction, resultRow, results } from "../wire/result.ts";

/** A request whose connection is gone without an answer. */
export interface Loss {
  /** The sheep may have all of it, and may execute it yet. */
  readonly sent: boolean;
  /** Answers to it that contradicted the protocol. */
  readonly corruptReplies: number;
}

/**
 * What follows an answer: as the result's row says (`retry` is after a pause), or `in_doubt`: an
 * error that leaves open whether it was executed.
 */
export function afterAnswer(rule: ReplayRule, result: number): ResultAction | "in_doubt" {
  const { action } = resultRow(result);
  // The sheep lost touch with the others in the middle of it; what else passes is refused before.
  const begun = action === "retry" && result === results.network.code;
  return rule === "once" && begun ? "in_doubt" : action;
}

/** What follows a loss: it is sent anew as soon as there is a connection, or ends with an error. */
export function afterLoss(rule: ReplayRule, loss: Loss): "replay" | "fail" | "in_doubt" {
  if (!loss.sent) return "replay";
  if (rule === "once") return "in_doubt";
  return loss.corruptReplies >= limits.corruptRepliesMax ? "fail" : "replay";
}

/** Pause before attempt number `attempt` (0 is the first repetition): doubling, with jitter. */
export function backoffMs(attempt: number, random: Random): number {
  const { backoffFirstMs, backoffLongestMs } = limits;
  const full = Math.min(backoffLongestMs, backoffFirstMs * 2 ** Math.min(attempt, 16));
  return full / 2 + random.below(Math.ceil(full / 2) + 1);
}
