/** What a volume may hold after a request, by what it was answered. */
export interface Effect {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** What an answer must be for a request that is read. */
export interface Reading {
  /** The range asked for, null for all; `any` when only the answer's own word can be checked. */
  readonly range: { readonly from: number; readonly to: number } | null | "any";
}

/** One thing that the fuzzer sends. */
export interface Shot {
  /** For the reader of a failure. */
  readonly what: string;
  readonly bytes: Buffer;
  readonly method: string;
  /** What a success means for this lane's volume; without one, nothing may change. */
  readonly effect?: Effect;
  /** The answer must be a success. */
  readonly mustDo?: boolean;
  /** The answer must not be a success. */
  readonly mustRefuse?: boolean;
  /** What must be answered, of this lane's volume. */
  readonly reading?: Reading;
  /** Bytes after which nobody knows where the next request begins: the last of its batch. */
  readonly last?: boolean;
}

export interface Wish {
  readonly what: string;
  readonly method: string;
  readonly target: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: Buffer | string;
  readonly chunked?: boolean;
}

/** A request in good form, whatever its fields say. */
export function requestBytes(wish: Wish): Buffer {
  const body = Buffer.from(wish.body ?? "");
  const rows = [`${wish.method} ${wish.target} HTTP/1.1`, "Host: 127.0.0.1"];
  for (const [name, value] of wish.headers ?? []) rows.push(`${name}: ${value}`);
  if (wish.chunked === true) {
    rows.push("Transfer-Encoding: chunked");
    return Buffer.concat([Buffer.from(`${rows.join("\r\n")}\r\n\r\n`), inChunks(body)]);
  }
  if (wish.body !== undefined) rows.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${rows.join("\r\n")}\r\n\r\n`), body]);
}

function inChunks(body: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const length = Math.min(body.length - at, 1 + ((at * 7_919 + body.length) % 9_000));
    const extension = at % 3 === 0 ? ";name=value" : "";
    pieces.push(Buffer.from(`${length.toString(16)}${extension}\r\n`));
    pieces.push(body.subarray(at, at + length), Buffer.from("\r\n"));
    at += length;
  }
  pieces.push(Buffer.from("0\r\n\r\n"));
  return Buffer.concat(pieces);
}
