/** Erasure coding as a copy policy holds it. Source: protocol §10.1 */
export interface ErasureCode {
  readonly dataStrips: number;
  readonly parityStrips: number;
}

const dataStripsKnown: readonly number[] = [2, 4, 8, 16];

/** @returns null for a policy that is none; 0 is plain replication, which is none either */
export function decodeCopyPolicy(policy: number): ErasureCode | null {
  const dataStrips = (policy >>> 4) * 2;
  const parityStrips = policy & 0xf;
  if (!dataStripsKnown.includes(dataStrips) || parityStrips === 0) return null;
  return { dataStrips, parityStrips };
}

export function encodeCopyPolicy({ dataStrips, parityStrips }: ErasureCode): number {
  return ((dataStrips / 2) << 4) | parityStrips;
}
