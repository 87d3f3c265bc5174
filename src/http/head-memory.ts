import { limits } from "../base/limits.ts";
import { type Head, type HeadFault, isFault, parseHead } from "./head.ts";

const rangeLine = /\r\nrange: ?bytes=(\d+-\d*)\r\n/i;
const rangeSpec = /^\d{1,16}-\d{0,16}$/;

/**
 * The head of one connection's last ranged request. Whoever reads a file by ranges sends one head
 * over and over with other numbers in it: then the numbers are all that is looked at.
 */
export class HeadMemory {
  #before = "";
  #after = "";
  #head: Head | null = null;

  /** As `parseHead` does it. */
  parse(text: string): Head | HeadFault {
    return this.#known(text) ?? this.#learn(text);
  }

  #known(text: string): Head | null {
    const head = this.#head;
    if (head === null || !text.startsWith(this.#before) || !text.endsWith(this.#after)) return null;
    const spec = text.slice(this.#before.length, text.length - this.#after.length);
    // Two parts that overlap in a shorter text leave nothing between them.
    if (!rangeSpec.test(spec)) return null;
    return {
      method: head.method,
      target: head.target,
      modern: head.modern,
      fields: head.fields.withValue("range", `bytes=${spec}`),
      bodyBytes: head.bodyBytes,
      keepAlive: head.keepAlive,
      expects: head.expects,
    };
  }

  #learn(text: string): Head | HeadFault {
    const head = parseHead(text);
    if (isFault(head)) return head;
    const wanted = text.length <= limits.httpHeadRememberedBytesMax && head.bodyBytes === 0;
    const line = wanted && head.fields.countOf("range") === 1 ? rangeLine.exec(text) : null;
    if (line === null) return head;
    const spec = line[1] ?? "";
    const end = line.index + line[0].length - "\r\n".length;
    this.#before = text.slice(0, end - spec.length);
    this.#after = text.slice(end);
    this.#head = head;
    return head;
  }
}
