import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type InodeHeader, InodeHeaderStruct, inodeSlots } from "../wire/inode.ts";
import { isHypervolume, objectBytesOf } from "./blocks.ts";
import { writeInodePart } from "./inode.ts";
import { nameText } from "./name.ts";
import { resolveVdi } from "./resolve.ts";
import { refuseLockedByHand } from "./use.ts";

/**
 * Gives a VDI another size, which is not smaller; who has attached it sees it within a second.
 * @throws not_found | invalid for a smaller size | too_large for its object size | busy when it is
 *   locked by hand, or snapshotted again and again meanwhile | …
 * Source: protocol §7.6, capture resize
 */
export async function growVdi(
  caller: SheepCaller,
  name: Uint8Array,
  sizeBytes: number,
  scope: Scope,
): Promise<InodeHeader> {
  const title = `VDI '${nameText(name)}'`;
  for (let look = 0; look < limits.vdiLooksMax; look += 1) {
    const header = await resolveVdi(caller, { name, snapshot: null }, scope);
    checkGrowth(title, header, sizeBytes);
    await refuseLockedByHand(caller, name, scope);
    if (header.vdiSize === sizeBytes) return header;
    await writeSize(caller, header, sizeBytes, scope);
    const now = await resolveVdi(caller, { name, snapshot: null }, scope);
    if (now.vdiSize === sizeBytes) return now;
    // It became a snapshot in between, which keeps the size that it had.
    if (now.vid !== header.vid) await writeSize(caller, header, header.vdiSize, scope);
  }
  throw new SheepfsError("busy", `${title} is changed by somebody else meanwhile; try again`);
}

function checkGrowth(title: string, header: InodeHeader, sizeBytes: number): void {
  const { vdiSize } = header;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < vdiSize) {
    throw new SheepfsError(
      "invalid",
      `${title} has ${vdiSize} bytes and cannot become smaller: what lies beyond ${sizeBytes} would be lost`,
    );
  }
  const bytesMax = isHypervolume(header)
    ? Number.MAX_SAFE_INTEGER
    : inodeSlots * objectBytesOf(header);
  if (sizeBytes <= bytesMax) return;
  throw new SheepfsError(
    "too_large",
    `${title} with objects of ${objectBytesOf(header)} bytes holds ${bytesMax} at most, not ${sizeBytes}`,
  );
}

async function writeSize(
  caller: SheepCaller,
  header: InodeHeader,
  sizeBytes: number,
  scope: Scope,
): Promise<void> {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, BigInt(sizeBytes), true);
  const offset = InodeHeaderStruct.offsets.vdiSize;
  await writeInodePart(caller, header, { offset, data }, scope);
}
