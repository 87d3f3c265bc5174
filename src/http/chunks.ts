import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

const cr = 0x0d;
const lf = 0x0a;
const semicolon = 0x3b;

/**
 * Reads what lies between the data of a chunked body, byte by byte and strictly: sizes in at most 13
 * hex digits, CR LF in pairs, extensions and trailers skipped within bounds (RFC 9112 §7.1).
 */
export class ChunkFrames {
  /** Bytes of the present chunk that are still to come as data. */
  dataLeft = 0;
  /** The last chunk and the trailers are over. */
  ended = false;
  #at: "size" | "blank" | "extension" | "sizeEnd" | "dataEnd" | "dataEndLf" | "trailer" = "size";
  #digits = 0;
  #size = 0;
  #lineBytes = 0;
  #trailerBytes = 0;
  #trailerLineBytes = 0;
  #previous = 0;

  /**
   * Takes one byte that is no data; to be called while `dataLeft` is 0 and `ended` is not set.
   * @throws invalid
   */
  push(byte: number): void {
    this.#lineBytes += 1;
    if (this.#lineBytes > limits.httpChunkLineBytesMax) throw broken("a line is too long");
    switch (this.#at) {
      case "size":
        this.#sizeByte(byte);
        return;
      case "blank":
        if (isBlank(byte)) return;
        this.#sizeEnds(byte, "something behind a size is no extension");
        return;
      case "extension":
        if (byte === cr) this.#at = "sizeEnd";
        else if (byte < 0x20 && byte !== 0x09) throw broken("a control character in an extension");
        return;
      case "sizeEnd":
        if (byte !== lf) throw broken("a CR without LF");
        this.#begin();
        return;
      case "dataEnd":
        if (byte !== cr) throw broken("a chunk is longer than its size");
        this.#at = "dataEndLf";
        return;
      case "dataEndLf":
        if (byte !== lf) throw broken("a chunk is longer than its size");
        this.#toSize();
        return;
      case "trailer":
        this.#trailerByte(byte);
        return;
    }
  }

  /** Data of the present chunk was taken. */
  took(bytes: number): void {
    this.dataLeft -= bytes;
    if (this.dataLeft > 0) return;
    this.#at = "dataEnd";
    this.#lineBytes = 0;
  }

  #sizeByte(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#digits += 1;
      // 2^52 bytes are far beyond every volume, and exact.
      if (this.#digits > 13) throw broken("a size has too many digits");
      this.#size = this.#size * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw broken("a size has no digits");
    if (isBlank(byte)) this.#at = "blank";
    else this.#sizeEnds(byte, "a size is no hexadecimal number");
  }

  #sizeEnds(byte: number, fault: string): void {
    if (byte === cr) this.#at = "sizeEnd";
    else if (byte === semicolon) this.#at = "extension";
    else throw broken(fault);
  }

  #begin(): void {
    this.#lineBytes = 0;
    if (this.#size > 0) {
      this.dataLeft = this.#size;
      return;
    }
    this.#at = "trailer";
    this.#trailerLineBytes = 0;
    this.#previous = 0;
  }

  #toSize(): void {
    this.#at = "size";
    this.#digits = 0;
    this.#size = 0;
    this.#lineBytes = 0;
  }

  #trailerByte(byte: number): void {
    this.#trailerBytes += 1;
    if (this.#trailerBytes > limits.httpTrailerBytesMax) throw broken("the trailers are too long");
    const previous = this.#previous;
    this.#previous = byte;
    if ((byte === lf) !== (previous === cr)) throw broken("a lone CR or LF in the trailers");
    if (byte !== cr && byte !== lf) {
      this.#trailerLineBytes += 1;
      return;
    }
    if (byte === cr) return;
    if (this.#trailerLineBytes === 0) this.ended = true;
    this.#trailerLineBytes = 0;
    this.#lineBytes = 0;
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function broken(what: string): SheepfsError {
  return new SheepfsError("invalid", `the chunks of the body cannot be told apart: ${what}`);
}
