import { limits } from "../base/limits.ts";
import type { Random } from "../base/random.ts";
import type { ReplayRule } from "../wire/opcode.ts";
import { resultRow, results } from "../wire/result.ts";

/** How one attempt of a request ended. */
export type Outcome =
  | { readonly at: "answered"; readonly result: number }
  /** Its connection is gone. `sent`: the sheep may have all of it, and may execute it yet. */
  | { readonly at: "lost"; readonly sent: boolean; readonly corruptReplies: number };

/**
 * What follows: it is `done`; it is sent `again` after a pause; it goes to another gateway
 * (`elsewhere`); it is sent anew as soon as there is a connection (`replay`); it ends with an error
 * (`fail`); or with one that leaves open whether it was executed (`in_doubt`).
 */
export type Verdict = "done" | "again" | "elsewhere" | "replay" | "fail" | "in_doubt";

/** Pure: see the table in the tests. */
export function verdict(rule: ReplayRule, outcome: Outcome): Verdict {
  if (outcome.at === "lost") {
    if (!outcome.sent) return "replay";
    if (rule === "once") return "in_doubt";
    return outcome.corruptReplies >= limits.corruptRepliesMax ? "fail" : "replay";
  }
  const { action } = resultRow(outcome.result);
  switch (action) {
    case "done":
    case "fail":
    case "elsewhere":
      return action;
    case "retry":
      // The sheep lost touch with the others in the middle of it; the others refuse beforehand.
      if (rule === "once" && outcome.result === results.network.code) return "in_doubt";
      return "again";
  }
}

/** Pause before attempt number `attempt` (0 is the first repetition): doubling, with jitter. */
export function backoffMs(attempt: number, random: Random): number {
  const full = Math.min(
    limits.backoffLongestMs,
    limits.backoffFirstMs * 2 ** Math.min(attempt, 16),
  );
  return full / 2 + random.below(Math.ceil(full / 2) + 1);
}
