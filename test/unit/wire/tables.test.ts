import { describe, expect, test } from "bun:test";
import { opcodeOf, opcodes } from "../../../src/wire/opcode.ts";
import { resultError, resultRow, results } from "../../../src/wire/result.ts";

/** Source: protocol §4 */
const assigned = [
  ...Array.from({ length: 0x1b }, (_, code) => code),
  0x1d,
  ...Array.from({ length: 0x15 }, (_, at) => 0x81 + at),
  ...[0x97, 0x98, 0x99],
];

describe("results", () => {
  test("are all that the protocol has, each once", () => {
    const codes = Object.values(results).map(({ code }) => code as number);
    expect(codes.sort((a, b) => a - b)).toEqual(assigned);
  });

  test("that nobody assigned are internal errors that name their number", () => {
    for (const code of [0x1b, 0x1c, 0x96, 0x9a, 0xffff_ffff]) {
      expect(resultRow(code)).toMatchObject({ action: "fail", error: "internal" });
      expect(resultError(code).message).toContain(`0x${code.toString(16)}`);
    }
  });

  test("become what a client can act on", () => {
    expect(resultError(results.noVdi.code).code).toBe("not_found");
    expect(resultError(results.vdiLocked.code).code).toBe("busy");
    expect(resultError(results.noSpace.code).code).toBe("no_space");
    expect(resultError(results.waitForFormat.code).message).toContain("dog cluster format");
    expect(resultRow(results.network.code).action).toBe("retry");
    expect(resultRow(results.shuttingDown.code).action).toBe("elsewhere");
  });
});

describe("opcodes", () => {
  test("have one row each, and are found by their number", () => {
    const codes = Object.values(opcodes).map(({ code }) => code as number);
    expect(new Set(codes).size).toBe(codes.length);
    for (const [name, { code }] of Object.entries(opcodes)) {
      expect(opcodeOf(code) as string).toBe(name);
    }
  });

  test("from 0x80 on speak the internal protocol", () => {
    for (const { code, version } of Object.values(opcodes)) {
      expect(version as number).toBe(code < 0x80 ? 2 : 0x0a);
    }
  });

  test("that are between daemons, or of nobody, are not known", () => {
    for (const code of [0, 0x06, 0x91, 0x99, 0xa3, 0xac, 0xb6, 0xc2, 0xc8, 0xff]) {
      expect(opcodeOf(code)).toBeNull();
    }
  });

  test("that change something and cannot be repeated are sent once", () => {
    const once = Object.entries(opcodes).filter(([, { replay }]) => replay === "once");
    expect(once.map(([name]) => name)).toContainValues(["newVdi", "deleteVdi", "lockVdi"]);
  });
});
