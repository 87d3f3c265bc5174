import { objectBytesOf } from "../../cluster/blocks.ts";
import { createdMs, hexVid } from "../../cluster/inode.ts";
import type { VdiFacts } from "../../cluster/vdis.ts";
import { escapeName } from "../../tree/names.ts";
import type { InodeHeader } from "../../wire/inode.ts";

/** One VDI or snapshot as `--json` prints it: sizes in bytes, names escaped as in the tree. */
export interface VdiJson {
  readonly name: string;
  readonly vid: string;
  readonly snapshot: boolean;
  readonly snapshotId: number;
  readonly tag: string;
  readonly sizeBytes: number;
  readonly objectBytes: number;
  readonly copies: number;
  readonly copyPolicy: number;
  readonly createdAt: string;
  readonly parentVid: string | null;
}

export interface ListedVdiJson extends VdiJson {
  readonly usedBytes: number;
  readonly sharedBytes: number;
}

export function vdiJson(header: InodeHeader): VdiJson {
  return {
    name: escapeName(header.name),
    vid: hexVid(header.vid),
    snapshot: header.isSnapshot,
    snapshotId: header.snapId,
    tag: escapeName(header.tag),
    sizeBytes: header.vdiSize,
    objectBytes: objectBytesOf(header),
    copies: header.copies,
    copyPolicy: header.copyPolicy,
    createdAt: new Date(createdMs(header)).toISOString(),
    parentVid: header.parentVid === 0 ? null : hexVid(header.parentVid),
  };
}

export function listedJson(facts: VdiFacts): ListedVdiJson {
  const { header, ownBlocks, sharedBlocks } = facts;
  const json = vdiJson(header);
  return {
    ...json,
    usedBytes: ownBlocks * json.objectBytes,
    sharedBytes: sharedBlocks * json.objectBytes,
  };
}
