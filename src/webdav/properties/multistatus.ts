import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { HttpResponse, StreamedBody } from "../../http/exchange.ts";
import { xmlType } from "../answers.ts";
import { escapeText, writeDocument } from "../xml/write.ts";

/** Statuses that stand inside a document. */
const statusLines = {
  200: "HTTP/1.1 200 OK",
  403: "HTTP/1.1 403 Forbidden",
  404: "HTTP/1.1 404 Not Found",
  423: "HTTP/1.1 423 Locked",
  424: "HTTP/1.1 424 Failed Dependency",
  503: "HTTP/1.1 503 Service Unavailable",
  507: "HTTP/1.1 507 Insufficient Storage",
} as const;

export type PartStatus = keyof typeof statusLines;

/** Properties of one node that had the same fate (RFC 4918 §14.22). */
export interface PropStat {
  readonly status: PartStatus;
  /** Elements, as XML. */
  readonly props: readonly string[];
  /** What `error` is to contain, as XML; "" for none. */
  readonly condition: string;
}

/** Memory that the answers about many nodes take which are being made or sent. */
export class AnswerMemory {
  #usedBytes = 0;

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @throws overload */
  take(bytes: number): void {
    if (this.#usedBytes + bytes > limits.davAnswersBytesMax) {
      throw new SheepfsError("overload", "too many long answers are on their way; ask again soon");
    }
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** A 207 while it is written, bounded in size (RFC 4918 §13). */
export class Multistatus implements Disposable {
  readonly #memory: AnswerMemory;
  readonly #parts: string[] = [];
  #takenBytes = 0;

  constructor(memory: AnswerMemory) {
    this.#memory = memory;
  }

  /** @throws overload when the answer would be too long */
  addProps(href: string, propstats: readonly PropStat[]): void {
    const parts = propstats.map(({ status, props, condition }) => {
      const line = `<D:status>${statusLines[status]}</D:status>`;
      return `<D:propstat><D:prop>${props.join("")}</D:prop>${line}${errorPart(condition)}</D:propstat>`;
    });
    this.#add(href, parts.join(""));
  }

  /** @throws overload when the answer would be too long */
  addStatus(href: string, status: PartStatus, condition = ""): void {
    this.#add(href, `<D:status>${statusLines[status]}</D:status>${errorPart(condition)}`);
  }

  /** The whole answer. Nothing can be added to it any more. */
  response(): HttpResponse {
    const text = writeDocument("multistatus", this.#parts.join(""));
    this.#parts.length = 0;
    this.#giveBack();
    const bytes = new TextEncoder().encode(text);
    const body = bytes.length <= limits.davAnswerWholeBytes ? text : lentBody(bytes, this.#memory);
    return { status: 207, headers: [xmlType], body };
  }

  [Symbol.dispose](): void {
    this.#giveBack();
  }

  #giveBack(): void {
    this.#memory.give(this.#takenBytes);
    this.#takenBytes = 0;
  }

  #add(href: string, content: string): void {
    const part = `\n<D:response><D:href>${escapeText(href)}</D:href>${content}</D:response>`;
    const bytes = 2 * part.length;
    if (this.#takenBytes + bytes > limits.davAnswerBytesMax) {
      throw new SheepfsError(
        "overload",
        "the answer would be too long; ask for fewer properties, or with Depth: 0",
      );
    }
    this.#memory.take(bytes);
    this.#takenBytes += bytes;
    this.#parts.push(part);
  }
}

function errorPart(condition: string): string {
  return condition === "" ? "" : `<D:error>${condition}</D:error>`;
}

/** Bytes that count until they are sent, or not wanted any more. */
function lentBody(bytes: Uint8Array, memory: AnswerMemory): StreamedBody {
  memory.take(bytes.length);
  return {
    lengthBytes: bytes.length,
    send: (writer) => writer.write(bytes, 0, bytes.length),
    release: () => memory.give(bytes.length),
  };
}
