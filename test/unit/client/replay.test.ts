import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { backoffMs, type Outcome, type Verdict, verdict } from "../../../src/client/replay.ts";
import { results } from "../../../src/wire/result.ts";

const max = limits.corruptRepliesMax;

const lost: readonly (readonly [string, Outcome, Verdict, Verdict])[] = [
  ["not sent whole", { at: "lost", sent: false, corruptReplies: 0 }, "replay", "replay"],
  ["sent", { at: "lost", sent: true, corruptReplies: 0 }, "replay", "in_doubt"],
  ["a corrupt reply", { at: "lost", sent: true, corruptReplies: max - 1 }, "replay", "in_doubt"],
  ["corrupt again", { at: "lost", sent: true, corruptReplies: max }, "fail", "in_doubt"],
];

describe("a connection that is lost", () => {
  for (const [name, outcome, idempotent, once] of lost) {
    test(name, () => {
      expect(verdict("idempotent", outcome)).toBe(idempotent);
      expect(verdict("once", outcome)).toBe(once);
    });
  }
});

const answered: Record<keyof typeof results, Verdict> = {
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
  startingUp: "again",
  vdiNotLocked: "fail",
  shuttingDown: "elsewhere",
  noMemory: "again",
  fullVdi: "fail",
  version: "fail",
  noSpace: "fail",
  waitForFormat: "fail",
  waitForJoin: "again",
  joinFailed: "elsewhere",
  halted: "again",
  readOnly: "fail",
  inodeInvalidated: "fail",
  oldEpoch: "again",
  newEpoch: "again",
  notFormatted: "fail",
  invalidCtime: "fail",
  invalidEpoch: "fail",
  network: "again",
  noCache: "fail",
  bufferSmall: "fail",
  forceRecover: "fail",
  noStore: "fail",
  notSupported: "fail",
  inRecovery: "again",
  killed: "elsewhere",
  oidExists: "fail",
  again: "again",
  staleObject: "again",
  clusterDriver: "fail",
  vdiNotEmpty: "fail",
  notFound: "fail",
  incomplete: "fail",
  collectingInfo: "again",
  gatewayMode: "elsewhere",
  vnodesStrategy: "fail",
  noCheckpoint: "fail",
};

describe("a result", () => {
  for (const [name, { code }] of Object.entries(results)) {
    test(`${name} of a read or write`, () => {
      const expected = answered[name as keyof typeof results];
      expect(verdict("idempotent", { at: "answered", result: code })).toBe(expected);
    });
  }

  test("network error of what must happen once leaves it in doubt, a refusal does not", () => {
    const { network, halted } = results;
    expect(verdict("once", { at: "answered", result: network.code })).toBe("in_doubt");
    expect(verdict("once", { at: "answered", result: halted.code })).toBe("again");
  });

  test("that nobody assigned fails", () => {
    expect(verdict("idempotent", { at: "answered", result: 0xdead })).toBe("fail");
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
