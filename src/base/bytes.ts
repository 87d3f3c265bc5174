/** Whether two runs of bytes are the same; for names and the like, not for payloads. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
