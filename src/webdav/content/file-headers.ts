import { DateField } from "../../http/date.ts";
import type { ResponseHeaders } from "../../http/exchange.ts";
import type { EntityFacts } from "../conditions/conditional.ts";

/** Header fields about a file, made anew when it is another one or has changed. */
export class FileHeaders {
  /** Of what was sent last it is mostly that of what is sent next. */
  readonly #modified = new DateField();
  #facts: EntityFacts | null = null;
  #contentType = "";
  #ofRange: ResponseHeaders = [];

  /** What tells whether a copy is still good. */
  validators({ etag, modifiedMs }: EntityFacts): ResponseHeaders {
    // A browser would else keep a text or a volume for as long as it thinks fit.
    const headers: (readonly [string, string])[] = [["Cache-Control", "no-cache"]];
    if (etag !== null) headers.push(["ETag", etag]);
    if (modifiedMs !== null) headers.push(["Last-Modified", this.#modified.at(modifiedMs)]);
    return headers;
  }

  /** All that answers with one range have in common: the same array as long as it is the same. */
  ofRange(facts: EntityFacts, contentType: string): ResponseHeaders {
    if (facts === this.#facts && contentType === this.#contentType) return this.#ofRange;
    this.#facts = facts;
    this.#contentType = contentType;
    this.#ofRange = [
      ...this.validators(facts),
      ["Accept-Ranges", "bytes"],
      ["Content-Type", contentType],
    ];
    return this.#ofRange;
  }
}
