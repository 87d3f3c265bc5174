import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { afterAnswer, afterLoss, backoffMs, type Loss } from "../../../src/client/replay.ts";
import { type ResultAction, results } from "../../../src/wire/result.ts";

const max = limits.corruptRepliesMax;

const lost: readonly (readonly [
  string,
  Loss,
  ReturnType<typeof afterLoss>,
  ReturnType<typeof afterLoss>,
])[] = [
  ["not sent whole", { sent: false, corruptReplies: 0 }, "replay", "replay"],
  ["sent", { sent: true, corruptReplies: 0 }, "replay", "in_doubt"],
  ["a corrupt reply", { sent: true, corruptReplies: max - 1 }, "replay", "in_doubt"],
  ["corrupt again", { sent: true, corruptReplies: max }, "fail", "in_doubt"],
];

describe("a connection that is lost", () => {
  for (const [name, loss, idempotent, once] of lost) {
    test(name, () => {
      expect(afterLoss("idempotent", loss)).toBe(idempotent);
      expect(afterLoss("once", loss)).toBe(once);
    });
  }
});

const answered: Record<keyof typeof results, ResultAction> = {
  success: "done",
  unknown: "fail",
  noObject: "fail",
  io: "fail",
  vdiExists: "fail",
  invalidParameters: "fail",
  systemError: "fail",
  vdiLocked: "fail",
  noVdi: "fail",
  noBaseVdi: "fail",
  vdiRead: "fail",
  vdiWrite: "fail",
  baseVdiRead: "fail",
  baseVdiWrite: "fail",
  noTag: "fail",
  startingUp: "retry",
  vdiNotLocked: "fail",
  shuttingDown: "elsewhere",
  noMemory: "retry",
  fullVdi: "fail",
  version: "fail",
  noSpace: "fail",
  waitForFormat: "fail",
  waitForJoin: "retry",
  joinFailed: "elsewhere",
  halted: "retry",
  readOnly: "fail",
  inodeInvalidated: "fail",
  oldEpoch: "retry",
  newEpoch: "retry",
  notFormatted: "fail",
  invalidCtime: "fail",
  invalidEpoch: "fail",
  network: "retry",
  noCache: "fail",
  bufferSmall: "fail",
  forceRecover: "fail",
  noStore: "fail",
  notSupported: "fail",
  inRecovery: "retry",
  killed: "elsewhere",
  oidExists: "fail",
  again: "retry",
  staleObject: "retry",
  clusterDriver: "fail",
  vdiNotEmpty: "fail",
  notFound: "fail",
  incomplete: "fail",
  collectingInfo: "retry",
  gatewayMode: "elsewhere",
  vnodesStrategy: "fail",
  noCheckpoint: "fail",
};

describe("a result", () => {
  for (const [name, { code }] of Object.entries(results)) {
    test(`${name} of a read or write`, () => {
      const expected = answered[name as keyof typeof results];
      expect(afterAnswer("idempotent", code)).toBe(expected);
    });
  }

  test("network error of what must happen once leaves it in doubt, a refusal does not", () => {
    const { network, halted } = results;
    expect(afterAnswer("once", network.code)).toBe("in_doubt");
    expect(afterAnswer("once", halted.code)).toBe("retry");
  });

  test("that nobody assigned fails", () => {
    expect(afterAnswer("idempotent", 0xdead)).toBe("fail");
  });
});

test("pauses double from the first to the longest, with jitter, and stay there", () => {
  const random = seededRandom(3);
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const full = Math.min(limits.backoffLongestMs, limits.backoffFirstMs * 2 ** attempt);
    for (let draw = 0; draw < 50; draw += 1) {
      const pauseMs = backoffMs(attempt, random);
      expect(pauseMs).toBeGreaterThanOrEqual(full / 2);
      expect(pauseMs).toBeLessThanOrEqual(full + 1);
    }
  }
});
