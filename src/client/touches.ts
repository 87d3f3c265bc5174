import type { Clock, Timer } from "../base/clock.ts";
import type { ErrorCode, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { ObjectRequestHeader, ReplyHeader, type SheepRequest } from "../wire/header.ts";
import { opcodes, requestFlag } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import type { CallPlan, CallSink, Flight } from "./flight.ts";

export type Submit = (plan: CallPlan, sink: CallSink, scope: Scope) => void;

export interface TouchesPorts {
  readonly clock: Clock;
  readonly submit: Submit;
  /** What is known of an object has changed. */
  changed(): void;
}

type State = "underWay" | "sound";

/** A touch that ended so tells nothing; any other error the write itself will get as well. */
const transient: ReadonlySet<ErrorCode> = new Set([
  "cancelled",
  "not_ready",
  "unavailable",
  "timed_out",
  "corrupt",
]);

const emptyBody = new Uint8Array(0);

/**
 * What is known of single objects while the cluster recovers. A sheep does not begin to recover an
 * object that it has, so when every sheep with a part of an object is known to have it, only
 * recoveries that had begun before can still replace it, and they end in about the time that one
 * takes. To know it an object is touched: a write of no bytes goes to all of them and waits for
 * their recovery. A while later the object is sound: it may be written, in parallel too, until the
 * members of the cluster change again.
 */
export class Touches {
  /** Of the cluster, as far as it is known. */
  epoch = 0;
  readonly #ports: TouchesPorts;
  readonly #states = new Map<string, State>();
  readonly #rests = new Set<Timer>();
  /** Counts what makes all that was known void. */
  #era = 0;

  constructor(ports: TouchesPorts) {
    this.#ports = ports;
  }

  isSound(flight: Flight): boolean {
    return this.#states.size > 0 && this.#states.get(keyOf(flight)) === "sound";
  }

  /** Finds out about the object of this flight, unless that is under way. */
  touch(flight: Flight): void {
    const key = keyOf(flight);
    if (this.#states.has(key)) return;
    this.#makeRoom();
    this.#states.set(key, "underWay");
    const era = this.#era;
    const { clock } = this.#ports;
    const sentMs = clock.nowMs();
    const sink: CallSink = {
      expected: [results.noObject.code],
      done: (error, reply) => {
        const tookMs = clock.nowMs() - sentMs;
        const epoch = reply?.header.getUint32(ReplyHeader.offsets.epoch, true) ?? null;
        this.#rest(key, era, tookMs, this.#tells(error, epoch));
      },
      resolved: () => {},
    };
    const plan = {
      request: touchRequest(flight),
      rule: opcodes.writeObject.replay,
      into: null,
      at: 0,
      length: 0,
    };
    this.#ports.submit(plan, sink, deadlineScope(clock, limits.operationTimeoutMs));
  }

  /** The members have changed, or nothing of this is needed any more. */
  forget(): void {
    this.#era += 1;
    this.#states.clear();
    for (const timer of this.#rests) timer.cancel();
    this.#rests.clear();
  }

  /** Whether the answer to a touch is about the cluster as it is now. */
  #tells(error: SheepfsError | null, epoch: number | null): boolean {
    if (error !== null) return !transient.has(error.code);
    return epoch === this.epoch;
  }

  /** What had begun before it was touched ends meanwhile; when the touch failed, a pause. */
  #rest(key: string, era: number, tookMs: number, told: boolean): void {
    if (era !== this.#era) return;
    const restMs = Math.max(limits.recoveryRestMs, 2 * tookMs);
    const timer = this.#ports.clock.after(restMs, () => {
      this.#rests.delete(timer);
      if (told) this.#states.set(key, "sound");
      else this.#states.delete(key);
      this.#ports.changed();
    });
    this.#rests.add(timer);
  }

  /** Objects that are forgotten are touched again. */
  #makeRoom(): void {
    if (this.#states.size < limits.touchedObjectsMax) return;
    for (const [key, state] of this.#states) if (state === "sound") this.#states.delete(key);
  }
}

function keyOf({ oidLow, oidHigh }: Flight): string {
  return `${oidHigh}/${oidLow}`;
}

function touchRequest({ oidLow, oidHigh }: Flight): SheepRequest {
  const { code, version } = opcodes.writeObject;
  const flags = requestFlag.write;
  const header = ObjectRequestHeader.encode({ version, opcode: code, flags, oidLow, oidHigh });
  return { opcode: "writeObject", header, data: emptyBody, receiveBytes: 0 };
}
