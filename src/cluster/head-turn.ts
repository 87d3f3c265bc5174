import type { Clock, Timer } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope, throwIfEnded } from "../base/scope.ts";
import {
  type AttachRecord,
  encodeRecord,
  type FoundRecord,
  holderText,
  recordAt,
  turnKey,
} from "./attach-record.ts";
import {
  type AttributePlace,
  createAttribute,
  findAttribute,
  removeAttribute,
  writeAttribute,
} from "./attributes.ts";
import type { HoldPorts } from "./holds.ts";
import { nameText } from "./name.ts";

export type TurnPorts = Pick<HoldPorts, "caller" | "clock" | "isGone" | "self">;

/** Turns that this process has asked for: each is another holder. */
let turnsAsked = 0;

/**
 * Does what gives names another working VDI while no other sheepfs does it with any of them: between
 * the look at what is the working VDI and the request for the next one nobody comes in between, who
 * would be rolled back. Whoever finds it taken waits for a while. The VDIs have to be there.
 * @throws busy naming who has it, and nothing was done | not_found | whatever `work` throws
 */
export async function inHeadTurn<T>(
  ports: TurnPorts,
  names: readonly Uint8Array[],
  scope: Scope,
  work: () => Promise<T>,
): Promise<T> {
  const turns: HeadTurn[] = [];
  try {
    // Always in the same order: else two groups could wait for each other.
    for (const name of names.toSorted(Buffer.compare)) {
      const turn = new HeadTurn(ports, name);
      await turn.take(scope);
      turns.push(turn);
    }
    return await work();
  } finally {
    await Promise.all(turns.map((turn) => turn.end()));
  }
}

class HeadTurn {
  readonly #ports: TurnPorts;
  readonly #name: Uint8Array;
  #record: AttachRecord;
  #place: AttributePlace | null = null;
  #timer: Timer | null = null;
  #beating: Promise<void> = Promise.resolve();

  constructor(ports: TurnPorts, name: Uint8Array) {
    this.#ports = ports;
    this.#name = name;
    turnsAsked += 1;
    const holder = { ...ports.self, instance: `${ports.self.instance}/${turnsAsked}` };
    this.#record = { holder, sinceMs: ports.clock.wallMs(), lock: null, brokenBy: null };
  }

  async take(scope: Scope): Promise<void> {
    const { clock } = this.#ports;
    const giveUpMs = clock.nowMs() + limits.headTurnWaitMs;
    const watched = new Unchanged(clock);
    for (let place: AttributePlace | null = null; ; ) {
      if (place === null) place = (await this.#create(scope)) ?? (await this.#find(scope));
      const found = place === null ? null : await this.#at(place, scope);
      if (found === null) place = null;
      else if (this.#isOurs(found)) {
        this.#place = found.place;
        this.#beatLater();
        return;
      } else if (this.#isOver(found, watched)) {
        await this.#takeOver(found, scope);
        continue;
      }
      if (clock.nowMs() >= Math.min(giveUpMs, scope.deadlineMs)) throw taken(this.#name, found);
      await pause(clock, limits.headTurnPollMs);
      throwIfEnded(scope, clock, `wait for the turn of VDI '${nameText(this.#name)}'`);
    }
  }

  /** All that fails is left to those who wait: they see that nobody is there. */
  async end(): Promise<void> {
    const { caller, clock } = this.#ports;
    const place = this.#place;
    this.#place = null;
    this.#timer?.cancel();
    await this.#beating;
    if (place === null) return;
    const scope = deadlineScope(clock, limits.headTurnBreakMs);
    try {
      const found = await this.#at(place, scope);
      if (found !== null && this.#isOurs(found)) await removeAttribute(caller, place, scope);
    } catch {
      // What was done in the turn is what counts.
    }
  }

  get #key(): { readonly vdi: Uint8Array; readonly key: string } {
    return { vdi: this.#name, key: turnKey };
  }

  /** Null when it is there, and also ours perhaps: the answer may have been lost. */
  async #create(scope: Scope): Promise<AttributePlace | null> {
    try {
      return await createAttribute(
        this.#ports.caller,
        this.#key,
        encodeRecord(this.#record),
        scope,
      );
    } catch (thrown) {
      const { inDoubt, code } = asSheepfsError(thrown);
      // `busy`: there is no working VDI for a moment, as somebody makes the next one.
      if (inDoubt || code === "busy") return null;
      throw thrown;
    }
  }

  async #find(scope: Scope): Promise<AttributePlace | null> {
    try {
      return await findAttribute(this.#ports.caller, this.#key, scope);
    } catch (thrown) {
      if (asSheepfsError(thrown).code === "busy") return null;
      throw thrown;
    }
  }

  #at(place: AttributePlace, scope: Scope): Promise<FoundRecord | null> {
    return recordAt(this.#ports.caller, this.#name, place, scope, turnKey);
  }

  #isOurs({ record }: FoundRecord): boolean {
    return record?.holder.instance === this.#record.holder.instance;
  }

  /** Whoever has it has ended, or shows no sign of life any more. */
  #isOver(found: FoundRecord, watched: Unchanged): boolean {
    const unchangedMs = watched.look(found.text);
    if (found.record !== null && this.#ports.isGone(found.record.holder)) return true;
    return unchangedMs >= limits.headTurnBreakMs;
  }

  /** Of several who do it the last one has it, as all see after a while. */
  async #takeOver({ place }: FoundRecord, scope: Scope): Promise<void> {
    const { caller, clock } = this.#ports;
    await this.#write(caller, place, scope);
    await pause(clock, limits.headTurnSettleMs);
  }

  async #write(caller: TurnPorts["caller"], place: AttributePlace, scope: Scope): Promise<void> {
    this.#record = { ...this.#record, sinceMs: this.#ports.clock.wallMs() };
    try {
      await writeAttribute(caller, this.#key, place, encodeRecord(this.#record), scope);
    } catch (thrown) {
      // It was given back meanwhile.
      if (asSheepfsError(thrown).code !== "stale") throw thrown;
    }
  }

  #beatLater(): void {
    this.#timer = this.#ports.clock.after(limits.headTurnBeatMs, () => {
      this.#beating = this.#beat();
    });
  }

  /** A sign of life, however long the work takes. */
  async #beat(): Promise<void> {
    const { caller, clock } = this.#ports;
    const place = this.#place;
    if (place === null) return;
    const scope = deadlineScope(clock, limits.headTurnBreakMs);
    try {
      const found = await this.#at(place, scope);
      if (found !== null && this.#isOurs(found)) await this.#write(caller, place, scope);
    } catch {
      // The next one may be seen.
    }
    if (this.#place !== null) this.#beatLater();
  }
}

/** For how long a text is the same, as far as it was looked at all the time. */
class Unchanged {
  readonly #clock: Clock;
  #text = "";
  #sinceMs = 0;
  #lookMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  look(text: string): number {
    const nowMs = this.#clock.nowMs();
    // Nothing was seen in an outage, nor could anybody else have changed it.
    const wasSeen = nowMs - this.#lookMs <= limits.headTurnBeatMs;
    if (text !== this.#text || !wasSeen) this.#sinceMs = nowMs;
    this.#text = text;
    this.#lookMs = nowMs;
    return nowMs - this.#sinceMs;
  }
}

function taken(name: Uint8Array, found: FoundRecord | null): SheepfsError {
  const by = found === null ? "by others, one after the other" : `by ${holderText(found)}`;
  const text = `VDI '${nameText(name)}' is just being snapshotted or rolled back ${by}; try again`;
  return new SheepfsError("busy", text);
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise<void>((resolve) => clock.after(ms, resolve));
}
