import { SheepfsError } from "../base/errors.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import { type InodeHeader, inodeSlots } from "../wire/inode.ts";

/** How a volume's bytes lie in objects. */
export interface Geometry {
  readonly objectBytes: number;
  readonly sizeBytes: number;
  /** Blocks, the last perhaps partial. */
  readonly blockCount: number;
  readonly kind: "array" | "btree";
}

/** Offsets inside an object must fit the protocol's u32 with room for a length. */
const shiftMin = 12;
const shiftMax = 31;
const shiftDefault = 22;
const btreeBlocks = 2 ** 32;

/**
 * What the header of a VDI means for I/O.
 * @throws too_large | not_supported | corrupt for a VDI that cannot be served exactly
 * Source: protocol §7.7, §10.1
 */
export function geometryOf(header: InodeHeader, title: string): Geometry {
  const shift = header.blockSizeShift === 0 ? shiftDefault : header.blockSizeShift;
  if (shift < shiftMin || shift > shiftMax) {
    throw new SheepfsError(
      "not_supported",
      `${title} has objects of 2^${shift} bytes; sheepfs serves 2^${shiftMin} to 2^${shiftMax}`,
    );
  }
  const kind = indexKind(header, title);
  checkCopies(header, title);
  const sizeBytes = header.vdiSize;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new SheepfsError(
      "too_large",
      `${title} is larger than 2^53-1 bytes, more than can be addressed exactly`,
    );
  }
  const objectBytes = 2 ** shift;
  const blockCount = Math.ceil(sizeBytes / objectBytes);
  const blocksMax = kind === "array" ? inodeSlots : btreeBlocks;
  if (blockCount > blocksMax) {
    throw new SheepfsError(
      "too_large",
      `${title} has ${sizeBytes} bytes in objects of ${objectBytes}; its index reaches ${blocksMax * objectBytes}`,
    );
  }
  return { objectBytes, sizeBytes, blockCount, kind };
}

function indexKind(header: InodeHeader, title: string): Geometry["kind"] {
  if (header.storePolicy === 0) return "array";
  if (header.storePolicy === 1) return "btree";
  throw new SheepfsError(
    "not_supported",
    `${title} has store policy ${header.storePolicy}; sheepfs knows 0 (array) and 1 (hypervolume)`,
  );
}

/** Policy 0 is plain replication. */
function checkCopies(header: InodeHeader, title: string): void {
  const policy = header.copyPolicy;
  if (policy === 0) return;
  const code = decodeCopyPolicy(policy);
  if (code === null || header.copies !== code.dataStrips + code.parityStrips) {
    throw new SheepfsError(
      "not_supported",
      `${title} has erasure policy 0x${policy.toString(16)} with ${header.copies} copies, which sheepfs does not know`,
    );
  }
}
