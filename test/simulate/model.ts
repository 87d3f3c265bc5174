/** Writes and reads are of whole sectors: smaller parts of a disk change together. */
export const sectorBytes = 512;

/** One write of some sectors, in the order in which they were asked for. */
export interface ModelWrite {
  readonly order: number;
  readonly first: number;
  readonly count: number;
}

/** What a read may give, as it was when the read began. */
export interface ModelView {
  readonly first: number;
  /** The earliest write of each sector that may still be seen. */
  readonly floors: Uint32Array;
}

interface Entry {
  readonly order: number;
  readonly stamp: number;
}

/**
 * The sectors of one volume, each a register: overlapping writes take effect in the order in which
 * they were asked for. A read may give what the last write before it left that was acknowledged or
 * seen, or anything that was asked for since, and what it gives counts as seen. A write that failed
 * may have happened or not, and happens no more once a later one was acknowledged or seen.
 */
export class SectorModel {
  readonly sectors: number;
  /** Of the last write that was asked for. */
  order = 0;
  readonly #entries: Entry[][];
  readonly #floors: Uint32Array;

  constructor(sectors: number) {
    this.sectors = sectors;
    this.#entries = Array.from({ length: sectors }, () => [{ order: 0, stamp: 0 }]);
    this.#floors = new Uint32Array(sectors);
  }

  /** @param stamp what every sector of it holds, 0 for zeros */
  begin(first: number, count: number, stamp: number): ModelWrite {
    this.order += 1;
    for (let sector = first; sector < first + count; sector += 1) {
      this.#entries[sector]?.push({ order: this.order, stamp });
    }
    return { order: this.order, first, count };
  }

  acknowledged({ order, first, count }: ModelWrite): void {
    for (let sector = first; sector < first + count; sector += 1) this.#raise(sector, order);
  }

  view(first: number, count: number): ModelView {
    return { first, floors: this.#floors.slice(first, first + count) };
  }

  /**
   * Whether a read that began with this view may give these bytes.
   * @param orderMax the last write that it may show; null for any, and what it shows counts as seen
   * @returns what is wrong, or null
   */
  check({ first, floors }: ModelView, bytes: Uint8Array, orderMax: number | null): string | null {
    for (const [at, floor] of floors.entries()) {
      const sector = first + at;
      const stamp = stampOf(bytes, at * sectorBytes);
      const entry = this.#entries[sector]?.find(
        (one) => one.order >= floor && one.stamp === stamp && one.order <= (orderMax ?? this.order),
      );
      if (entry === undefined) return this.#wrong(sector, floor, stamp);
      if (orderMax === null) this.#raise(sector, entry.order);
    }
    return null;
  }

  #raise(sector: number, order: number): void {
    this.#floors[sector] = Math.max(order, this.#floors[sector] ?? 0);
  }

  #wrong(sector: number, floor: number, stamp: number): string {
    const entries = this.#entries[sector] ?? [];
    const allowed = entries.filter(({ order }) => order >= floor).map((one) => `${one.stamp}`);
    const found = stamp === torn ? "is torn" : `holds ${stamp}`;
    return `sector ${sector} ${found}, allowed: ${allowed.slice(0, 8).join(", ")}`;
  }
}

const torn = -1;

/**
 * In every word that is written, so that no content looks like the header of a reply: what follows a
 * garbled one is taken for headers until something in it cannot be.
 */
const mark = 0xe5a7_0000;

/** `count` sectors of one stamp, which is not 0. */
export function stamped(count: number, stamp: number): Uint8Array {
  const words = new Uint32Array((count * sectorBytes) / 4).fill(mark + stamp);
  return new Uint8Array(words.buffer);
}

function stampOf(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, sectorBytes);
  const word = view.getUint32(0, true);
  for (let within = 4; within < sectorBytes; within += 4) {
    if (view.getUint32(within, true) !== word) return torn;
  }
  if (word === 0) return 0;
  return word > mark ? word - mark : torn;
}
