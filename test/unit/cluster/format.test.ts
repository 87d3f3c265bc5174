import { expect, test } from "bun:test";
import { asSheepfsError } from "../../../src/base/errors.ts";
import type { Scope } from "../../../src/base/scope.ts";
import { formatCluster } from "../../../src/cluster/format.ts";
import { ReplyHeader, type SheepReply, type SheepRequest } from "../../../src/wire/header.ts";
import { results } from "../../../src/wire/result.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { MemorySheep, never } from "./memory-sheep.ts";

/** A sheep that tells no epoch, as one does that waits, and now and then whatever it does. */
class Waiting extends MemorySheep {
  formats = 0;
  readonly #result: number;

  constructor(result: number) {
    super();
    this.#result = result;
  }

  override async call(
    request: SheepRequest,
    scope: Scope,
    expected: readonly number[] = [],
  ): Promise<SheepReply> {
    const isFormat = request.opcode === "makeFs";
    if (!isFormat && request.opcode !== "statCluster") {
      return await super.call(request, scope, expected);
    }
    if (isFormat) this.formats += 1;
    const result = isFormat ? 0 : this.#result;
    const header = new DataView(ReplyHeader.encode({ result }).buffer);
    return { header, result, data: new Uint8Array(0) };
  }
}

// [S-153]
test("a cluster that does not say it was never formatted is left as it is", async () => {
  const wish = {
    copies: 1,
    copyPolicy: 0,
    blockSizeShift: 22,
    store: "plain",
    locks: false,
  } as const;
  const rows = [
    ["waitForFormat", false, "it worked"],
    ["waitForJoin", false, "exists"],
    ["shuttingDown", false, "exists"],
    ["systemError", false, "exists"],
    ["waitForJoin", true, "it worked"],
  ] as const;
  for (const [name, force, expected] of rows) {
    const caller = new Waiting(results[name].code);
    const made = await formatCluster(
      { caller, clock: new ManualClock() },
      { ...wish, force },
      never,
    )
      .then(() => "it worked")
      .catch((thrown: unknown) => asSheepfsError(thrown).code);
    expect([name, made, caller.formats]).toEqual([name, expected, expected === "exists" ? 0 : 1]);
  }
});
