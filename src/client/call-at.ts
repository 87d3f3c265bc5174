import { type Address, formatAddress } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Scope } from "../base/scope.ts";
import { throwIfEnded } from "../base/scope.ts";
import type { SheepReply, SheepRequest } from "../wire/header.ts";
import { opcodes } from "../wire/opcode.ts";
import { resultError } from "../wire/result.ts";
import type { ConnectionPorts } from "./connection.ts";
import { Dedicated } from "./dedicated.ts";
import { type CallSink, Flight } from "./flight.ts";
import { afterAnswer, backoffMs } from "./replay.ts";

export interface CallAtPorts extends ConnectionPorts {
  readonly random: Random;
}

interface Asked {
  readonly request: SheepRequest;
  readonly expected: readonly number[];
}

const noSink: CallSink = { expected: [], done() {}, resolved() {} };
const noData = new Uint8Array(0);

/**
 * One request to one certain sheep. Transient results are tried again; a sheep that cannot be
 * reached or goes away is not waited for, since no other can answer for it.
 */
export async function callDedicated(
  ports: CallAtPorts,
  address: Address,
  asked: Asked,
  scope: Scope,
): Promise<SheepReply> {
  const title = `${asked.request.opcode} at ${formatAddress(address)}`;
  for (let attempt = 0; ; attempt += 1) {
    throwIfEnded(scope, ports.clock, title);
    const reply = await ask(ports, address, asked, scope);
    const { result } = reply;
    if (result === 0 || asked.expected.includes(result)) return reply;
    const rule = opcodes[asked.request.opcode].replay;
    const delayMs = backoffMs(attempt, ports.random);
    const again = afterAnswer(rule, result) === "retry";
    if (!again || ports.clock.nowMs() + delayMs >= scope.deadlineMs) {
      const { code, message } = resultError(result);
      throw new SheepfsError(code, `${title}: ${message}`);
    }
    await pause(ports.clock, delayMs);
  }
}

async function ask(
  ports: CallAtPorts,
  address: Address,
  asked: Asked,
  scope: Scope,
): Promise<SheepReply> {
  const { request } = asked;
  using dedicated = new Dedicated(ports, address);
  const { connection } = dedicated;
  const leftMs = Math.max(0, scope.deadlineMs - ports.clock.nowMs());
  const late = new SheepfsError(
    "timed_out",
    `the sheep at ${formatAddress(address)} did not answer`,
  );
  const timer = Number.isFinite(leftMs)
    ? ports.clock.after(leftMs, () => connection.fail(late))
    : null;
  try {
    const before = await dedicated.ready(scope);
    if (before !== null) throw before.why;
    const flight = new Flight();
    const { replay: rule } = opcodes[request.opcode];
    flight.beginCall({ request, rule, into: null, at: 0, length: 0 }, noSink, scope);
    const end = await dedicated.answer(flight, scope);
    if (end !== null) {
      const inDoubt = rule === "once" && connection.mayHave(flight);
      throw new SheepfsError(end.why.code, end.why.message, { inDoubt });
    }
    if (flight.replyHeader === null) throw new SheepfsError("internal", "an answer has a header");
    return { header: flight.replyHeader, result: flight.result, data: flight.data ?? noData };
  } finally {
    timer?.cancel();
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  clock.after(delayMs, () => over.resolve());
  return over.promise;
}
