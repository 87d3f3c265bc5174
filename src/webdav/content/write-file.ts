import type { Clock } from "../../base/clock.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { deadlineScope, type Scope } from "../../base/scope.ts";
import type { RequestBody } from "../../http/exchange.ts";
import type { OpenFile } from "../../tree/node.ts";
import { BufferPool } from "./buffer-pool.ts";

/** What all bodies that are written to files share. */
export class FileWrites {
  readonly pool = new BufferPool({
    bufferBytes: limits.davWriteBytes,
    totalBytes: limits.davWriteBytesMax,
  });
  readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** For one write, whose end does not depend on the client's staying. */
  scope(): Scope {
    return deadlineScope(this.clock, limits.operationTimeoutMs);
  }
}

export interface BodyWrite {
  readonly body: RequestBody;
  readonly file: OpenFile;
  readonly offset: number;
  /** Where the file ends and cannot grow; Infinity where it can. */
  readonly endBytes: number;
  readonly writes: FileWrites;
}

/**
 * Writes a body to a file from `offset` on, in order, one write after the other: whenever it ends,
 * also by the client's death, what was written is a prefix. While a write is under way the client's
 * next bytes gather in its socket, so writes are as large as the client is fast; between them, and
 * while it is silent, no buffer is held.
 * @throws no_space when it does not fit; what fits was written | what the body and the file throw
 */
async function writeBody(what: BodyWrite): Promise<void> {
  const { body, file, endBytes, writes } = what;
  const { pool } = writes;
  const rest = new Uint8Array(limits.davWriteAlignBytes);
  let restBytes = 0;
  let at = what.offset;
  for (let ended = false; !ended; ) {
    await body.more();
    const buffer = await bufferOf(pool);
    try {
      buffer.set(rest.subarray(0, restBytes));
      // Writes after the first one begin at a round place.
      const room = pool.bufferBytes - (at % pool.bufferBytes);
      const filled = fill(body, buffer, { from: restBytes, room });
      ended = filled.ended;
      const keep = ended || filled.bytes === room ? 0 : (at + filled.bytes) % rest.length;
      const bytes = Math.max(0, filled.bytes - keep);
      const fits = Math.min(bytes, Math.max(0, endBytes - at));
      if (fits > 0) await file.write(buffer.subarray(0, fits), at, writes.scope());
      at += fits;
      if (fits < bytes) throw tooLong(endBytes);
      restBytes = filled.bytes - bytes;
      rest.set(buffer.subarray(bytes, filled.bytes));
    } finally {
      pool.give(buffer);
    }
  }
}

/**
 * The same, and then durable. The file is closed whatever happens.
 * @throws the same | what making it durable can throw
 */
export async function storeBody(what: BodyWrite): Promise<void> {
  const { file, writes } = what;
  try {
    await writeBody(what);
    await file.flush(writes.scope());
    await file.sync(writes.scope());
  } finally {
    await file.close();
  }
}

/** A body that is gathered as a whole. @throws too_large when it is longer than `maxBytes` */
export async function wholeBody(body: RequestBody, maxBytes: number): Promise<Uint8Array> {
  if ((body.announcedBytes ?? 0) > maxBytes) throw bodyTooLarge(maxBytes);
  const bytes = new Uint8Array(maxBytes + 1);
  let count = 0;
  for (;;) {
    const taken = body.take(bytes, count, bytes.length - count);
    if (taken < 0) return bytes.subarray(0, count);
    count += taken;
    if (count > maxBytes) throw bodyTooLarge(maxBytes);
    if (taken === 0) await body.more();
  }
}

export function bodyTooLarge(maxBytes: number): SheepfsError {
  return new SheepfsError("too_large", `a body of more than ${maxBytes} bytes is not taken here`);
}

interface Filled {
  readonly bytes: number;
  readonly ended: boolean;
}

/** Takes what is there, up to `room` bytes in all. */
function fill(
  body: RequestBody,
  buffer: Uint8Array,
  { from, room }: { readonly from: number; readonly room: number },
): Filled {
  let bytes = from;
  while (bytes < room) {
    const taken = body.take(buffer, bytes, room - bytes);
    if (taken < 0) return { bytes, ended: true };
    if (taken === 0) break;
    bytes += taken;
  }
  return { bytes, ended: false };
}

function bufferOf(pool: BufferPool): Buffer | Promise<Buffer> {
  const waiting = Promise.withResolvers<Buffer>();
  return pool.take({ granted: waiting.resolve }) ?? waiting.promise;
}

function tooLong(endBytes: number): SheepfsError {
  return new SheepfsError("no_space", `the body goes on beyond the file's ${endBytes} bytes`);
}
