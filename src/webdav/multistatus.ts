import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { HttpResponse } from "../http/exchange.ts";
import { xmlType } from "./answers.ts";
import { escapeText, writeDocument } from "./xml/write.ts";

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

/** A 207 while it is written, bounded in size (RFC 4918 §13). */
export class Multistatus {
  readonly #parts: string[] = [];
  #characters = 0;

  /** @throws overload when the answer would be too long */
  addProps(href: string, propstats: readonly PropStat[]): void {
    const parts = propstats.map(({ status, props, condition }) => {
      const error = condition === "" ? "" : `<D:error>${condition}</D:error>`;
      const line = `<D:status>${statusLines[status]}</D:status>`;
      return `<D:propstat><D:prop>${props.join("")}</D:prop>${line}${error}</D:propstat>`;
    });
    this.#add(href, parts.join(""));
  }

  /** @throws overload when the answer would be too long */
  addStatus(href: string, status: PartStatus, condition = ""): void {
    const error = condition === "" ? "" : `<D:error>${condition}</D:error>`;
    this.#add(href, `<D:status>${statusLines[status]}</D:status>${error}`);
  }

  response(): HttpResponse {
    return { status: 207, headers: [xmlType], body: writeDocument("multistatus", this.#join()) };
  }

  #join(): string {
    return this.#parts.join("");
  }

  #add(href: string, content: string): void {
    const part = `\n<D:response><D:href>${escapeText(href)}</D:href>${content}</D:response>`;
    this.#characters += part.length;
    if (this.#characters > limits.davAnswerBytesMax) {
      throw new SheepfsError(
        "overload",
        `an answer of more than ${limits.davAnswerBytesMax} bytes; ask for fewer properties or use Depth: 0`,
      );
    }
    this.#parts.push(part);
  }
}
