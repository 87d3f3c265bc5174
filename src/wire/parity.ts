import { assert } from "../base/assert.ts";
import type { ErasureCode } from "./ec.ts";

/**
 * The parity of erasure-coded objects: Reed-Solomon over the field of 256 elements that is made with
 * x^8+x^4+x^3+x^2+1. Each byte of a parity strip follows from the bytes at the same place in the data
 * strips.
 */
const polynomial = 0x11d;
const order = 255;

const powers = new Uint8Array(2 * order);
const logarithms = new Uint8Array(256);
for (let power = 0, value = 1; power < order; power += 1) {
  powers[power] = value;
  powers[power + order] = value;
  logarithms[value] = power;
  value <<= 1;
  if (value > order) value ^= polynomial;
}

function product(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return powers[(logarithms[a] ?? 0) + (logarithms[b] ?? 0)] ?? 0;
}

function inverse(a: number): number {
  assert(a !== 0, "zero has no inverse");
  return powers[(order - (logarithms[a] ?? 0)) % order] ?? 0;
}

/** Of each parity strip what each data strip is multiplied with, as a table of its products. */
export class Parity {
  readonly #tables: readonly (readonly Uint8Array[])[];

  constructor(code: ErasureCode) {
    this.#tables = coefficients(code).map((row) =>
      row.map((factor) => Uint8Array.from({ length: 256 }, (_, byte) => product(factor, byte))),
    );
  }

  /** The bytes of one parity strip where the data strips have these. */
  of(strip: number, data: readonly Uint8Array[]): Uint8Array {
    const parity = new Uint8Array(data[0]?.length ?? 0);
    data.forEach((bytes, index) => {
      const table = this.#tables[strip]?.[index] ?? parity;
      for (let at = 0; at < parity.length; at += 1) {
        parity[at] = (parity[at] ?? 0) ^ (table[bytes[at] ?? 0] ?? 0);
      }
    });
    return parity;
  }
}

/**
 * Rows of powers, brought into the form in which the first of them give the data as they are; what the
 * others have become are the parities.
 */
function coefficients({ dataStrips, parityStrips }: ErasureCode): number[][] {
  const row = (number: number): number[] =>
    Array.from({ length: dataStrips }, (_, column) =>
      number === 0 ? (column === 0 ? 1 : 0) : (powers[((number - 1) * column) % order] ?? 0),
    );
  const top = inverted(Array.from({ length: dataStrips }, (_, number) => row(number)));
  return Array.from({ length: parityStrips }, (_, number) => {
    const factors = row(dataStrips + number);
    return factors.map((_factor, column) =>
      factors.reduce((sum, factor, at) => sum ^ product(factor, top[at]?.[column] ?? 0), 0),
    );
  });
}

/** Gauss and Jordan's way. */
function inverted(matrix: number[][]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, at) => [
    ...row,
    ...Array.from({ length: size }, (_, column) => (column === at ? 1 : 0)),
  ]);
  for (let pivot = 0; pivot < size; pivot += 1) {
    const from = rows.findIndex((row, at) => at >= pivot && row[pivot] !== 0);
    const [moved] = rows.splice(from, 1);
    assert(moved !== undefined, "rows of powers are independent");
    const scale = inverse(moved[pivot] ?? 0);
    const scaled = moved.map((value) => product(value, scale));
    rows.splice(pivot, 0, scaled);
    rows.forEach((row, at) => {
      const factor = row[pivot] ?? 0;
      if (at === pivot || factor === 0) return;
      rows[at] = row.map((value, column) => value ^ product(scaled[column] ?? 0, factor));
    });
  }
  return rows.map((row) => row.slice(size));
}
