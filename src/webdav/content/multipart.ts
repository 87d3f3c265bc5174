import type { BodyWriter } from "../../http/body-writer.ts";
import type { HttpResponse, StreamedBody } from "../../http/exchange.ts";
import type { Extent } from "../../tree/node.ts";
import { formatContentRange } from "./range.ts";
import { FileBody, type FileBodyOptions } from "./send-file.ts";

const encoder = new TextEncoder();

export interface MultipartOptions extends Pick<FileBodyOptions, "reads" | "file" | "instead"> {
  readonly ranges: readonly Extent[];
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly boundary: string;
  readonly over: () => void;
}

export function multipartType(boundary: string): string {
  return `multipart/byteranges; boundary=${boundary}`;
}

/** Several extents of a file, each under a head of its own (RFC 9110 §14.6). */
export class MultipartBody implements StreamedBody {
  readonly lengthBytes: number;
  readonly #options: MultipartOptions;
  readonly #heads: readonly Uint8Array[];
  readonly #end: Uint8Array;
  #part: FileBody | null = null;
  /** Parts that may still read from the file. */
  #reading = 0;
  #released = false;

  constructor(options: MultipartOptions) {
    this.#options = options;
    const { ranges, sizeBytes, contentType, boundary } = options;
    this.#heads = ranges.map((range) => {
      const where = formatContentRange(range, sizeBytes);
      const fields = `Content-Type: ${contentType}\r\nContent-Range: ${where}`;
      return encoder.encode(`\r\n--${boundary}\r\n${fields}\r\n\r\n`);
    });
    this.#end = encoder.encode(`\r\n--${boundary}--\r\n`);
    const data = ranges.reduce((sum, { length }) => sum + length, 0);
    this.lengthBytes = this.#heads.reduce(
      (sum, { length }) => sum + length,
      data + this.#end.length,
    );
  }

  async send(writer: BodyWriter): Promise<void> {
    for (const [index, extent] of this.#options.ranges.entries()) {
      const head = this.#heads[index];
      if (head !== undefined) await writer.write(head, 0, head.length);
      await this.#sendPart(writer, extent);
    }
    await writer.write(this.#end, 0, this.#end.length);
  }

  writable(): void {
    this.#part?.writable();
  }

  instead(thrown: unknown): HttpResponse {
    return this.#options.instead(thrown);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#part?.release();
    this.#part = null;
    this.#closeWhenOver();
  }

  #sendPart(writer: BodyWriter, extent: Extent): Promise<void> {
    const { reads, file, instead } = this.#options;
    const settled = Promise.withResolvers<void>();
    const part: FileBody = new FileBody({
      ...{ reads, file, extent, instead },
      sent: () => {
        part.release();
        settled.resolve();
      },
      over: () => {
        this.#reading -= 1;
        this.#closeWhenOver();
      },
    });
    this.#part = part;
    this.#reading += 1;
    part.send(writer);
    return settled.promise;
  }

  #closeWhenOver(): void {
    if (this.#released && this.#reading === 0) this.#options.over();
  }
}
