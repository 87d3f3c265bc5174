import { opcodes } from "../wire/opcode.ts";

/** What STAT tells of object requests since the start. Source: protocol §3.2 */
export class Counters {
  #active = 0;
  #total = 0;
  #receivedBytes = 0;
  #sentBytes = 0;
  readonly #byOpcode = new Map<number, number>();

  begin(opcode: number, receivedBytes: number): void {
    this.#active += 1;
    this.#total += 1;
    this.#receivedBytes += receivedBytes;
    this.#byOpcode.set(opcode, this.#count(opcode) + 1);
  }

  end(sentBytes: number): void {
    this.#active -= 1;
    this.#sentBytes += sentBytes;
  }

  /** In the order in which the daemon has them; there are no peers. */
  values(): number[] {
    const removed = this.#count(opcodes.removeObject.code);
    const read = this.#count(opcodes.readObject.code);
    const written =
      this.#count(opcodes.writeObject.code) + this.#count(opcodes.createAndWriteObject.code);
    const flushed = this.#count(opcodes.flushVdi.code);
    const gateway = [this.#active, 0, this.#total, 0, this.#receivedBytes, this.#sentBytes];
    return [...gateway, 0, 0, removed, read, written, flushed, 0, 0, 0];
  }

  #count(opcode: number): number {
    return this.#byOpcode.get(opcode) ?? 0;
  }
}

/** True for the requests that are counted. */
export function isCounted(opcode: number): boolean {
  return opcode <= opcodes.discardObject.code || opcode === opcodes.flushVdi.code;
}
