const mask64 = (1n << 64n) - 1n;
const prime = 0x100000001b3n;
const basis = 0xcbf29ce484222325n;

/** FNV-1a, 64 bit, from an arbitrary start. Not for hot paths. */
export function fnv1a64(data: Uint8Array, start: bigint = basis): bigint {
  let hash = start;
  for (const byte of data) hash = ((hash ^ BigInt(byte)) * prime) & mask64;
  return hash;
}

/** The vid at which a look-up of this name begins. Source: protocol §6.1 */
export function vidOfName(name: Uint8Array): number {
  const vid = Number(fnv1a64(name) & 0xff_ffffn);
  return vid === 0 ? 1 : vid;
}

/** The next position on the ring. Source: protocol §11.2 */
export function ringStep(hash: bigint): bigint {
  return fnv1a64(littleEndian64(hash), hash);
}

export function ringHash(data: Uint8Array): bigint {
  return ringStep(fnv1a64(data));
}

function littleEndian64(value: bigint): Uint8Array {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, value, true);
  return data;
}
