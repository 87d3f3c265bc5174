import { assert } from "./assert.ts";

/** One field of a struct: where it lies and how it is read and written. Little endian. */
export interface Field<T> {
  readonly at: number;
  readonly bytes: number;
  readonly type: string;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;
export type ValueOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** A struct as the one declaration gives it; fields not named are written as zeros. */
export interface Struct<F extends Fields> {
  readonly size: number;
  readonly offsets: { readonly [K in keyof F]: number };
  readonly fields: F;
  /** @throws RangeError when the view is shorter than the struct: check lengths before */
  read(view: DataView, at: number): ValueOf<F>;
  /** Writes every declared field and zeros between them. */
  write(view: DataView, at: number, value: Partial<ValueOf<F>>): void;
  encode(value: Partial<ValueOf<F>>): Uint8Array<ArrayBuffer>;
  /** One line per field, for the documents. */
  describe(): string;
}

/** Declares a struct: sizes, offsets, encode and decode follow from it, and nothing else has them. */
export function struct<F extends Fields>(fields: F, about: { readonly size: number }): Struct<F> {
  const entries = Object.entries(fields);
  checkLayout(entries, about.size);
  const { size } = about;
  const write = (view: DataView, at: number, value: Partial<ValueOf<F>>): void => {
    new Uint8Array(view.buffer, view.byteOffset + at, size).fill(0);
    for (const [name, field] of entries) {
      const given = (value as Readonly<Record<string, unknown>>)[name];
      if (given !== undefined) field.set(view, at + field.at, given);
    }
  };
  return {
    size,
    fields,
    // The shape follows from `fields`; the compiler cannot see through fromEntries.
    offsets: Object.fromEntries(entries.map(([name, field]) => [name, field.at])) as {
      readonly [K in keyof F]: number;
    },
    read: (view, at) =>
      Object.fromEntries(
        entries.map(([name, field]) => [name, field.get(view, at + field.at)]),
      ) as ValueOf<F>,
    write,
    encode: (value) => {
      const bytes = new Uint8Array(size);
      write(new DataView(bytes.buffer), 0, value);
      return bytes;
    },
    describe: () =>
      entries.map(([name, { at, bytes, type }]) => `@${at} ${type} ${bytes} ${name}`).join("\n"),
  };
}

function checkLayout(entries: readonly (readonly [string, Field<unknown>])[], size: number): void {
  const sorted = [...entries].sort(([, a], [, b]) => a.at - b.at);
  let end = 0;
  for (const [name, field] of sorted) {
    assert(field.at >= end, `field ${name} overlaps the one before it`);
    end = field.at + field.bytes;
  }
  assert(end <= size, `the fields end at ${end}, the struct at ${size}`);
}

const number = (
  at: number,
  bytes: number,
  type: string,
  get: (view: DataView, at: number) => number,
  set: (view: DataView, at: number, value: number) => void,
): Field<number> => ({ at, bytes, type, get, set });

export const u8 = (at: number): Field<number> =>
  number(
    at,
    1,
    "u8",
    (v, p) => v.getUint8(p),
    (v, p, n) => v.setUint8(p, n),
  );
export const u16 = (at: number): Field<number> =>
  number(
    at,
    2,
    "u16",
    (v, p) => v.getUint16(p, true),
    (v, p, n) => v.setUint16(p, n, true),
  );
export const u32 = (at: number): Field<number> =>
  number(
    at,
    4,
    "u32",
    (v, p) => v.getUint32(p, true),
    (v, p, n) => v.setUint32(p, n, true),
  );
export const i16 = (at: number): Field<number> =>
  number(
    at,
    2,
    "i16",
    (v, p) => v.getInt16(p, true),
    (v, p, n) => v.setInt16(p, n, true),
  );
export const i32 = (at: number): Field<number> =>
  number(
    at,
    4,
    "i32",
    (v, p) => v.getInt32(p, true),
    (v, p, n) => v.setInt32(p, n, true),
  );

/**
 * 64 bits as a number. Beyond 2^53 the number is not exact: whoever serves sizes checks
 * `Number.isSafeInteger`, and what has to be kept to the bit is declared as two u32 or as bytes.
 */
export const u64 = (at: number): Field<number> =>
  number(
    at,
    8,
    "u64",
    (v, p) => v.getUint32(p, true) + v.getUint32(p + 4, true) * 0x1_0000_0000,
    (v, p, n) => {
      v.setUint32(p, n % 0x1_0000_0000, true);
      v.setUint32(p + 4, Math.floor(n / 0x1_0000_0000), true);
    },
  );

/** A fixed run of bytes; shorter values are padded with zeros, reads give a copy of all of it. */
export const bytes = (at: number, length: number): Field<Uint8Array> => ({
  at,
  bytes: length,
  type: "bytes",
  get: (view, p) => new Uint8Array(view.buffer, view.byteOffset + p, length).slice(),
  set: (view, p, value) => {
    assert(value.length <= length, `${value.length} bytes in a field of ${length}`);
    new Uint8Array(view.buffer, view.byteOffset + p, length).set(value);
  },
});
