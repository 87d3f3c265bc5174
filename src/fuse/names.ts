import { bodyAt, type Message } from "./message.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The name at `offset` of the message's own part, up to its NUL; null when it is no UTF-8, which
 * no name in the tree is.
 */
export function nameAt(message: Message, offset: number): string | null {
  const start = bodyAt + offset;
  const end = message.buffer.indexOf(0, start);
  if (end < 0 || end >= message.bytes) return null;
  try {
    return decoder.decode(message.buffer.subarray(start, end));
  } catch {
    return null;
  }
}

const encoder = new TextEncoder();

export function encodeName(name: string): Uint8Array {
  return encoder.encode(name);
}
