import { isHypervolume, objectBytesOf } from "../../cluster/blocks.ts";
import { createdMs, hexVid } from "../../cluster/inode.ts";
import { stripsOf, type VdiFacts } from "../../cluster/vdis.ts";
import { escapeName } from "../names.ts";
import type { VdiHeader } from "./life.ts";

/** One VDI or snapshot as `--json` and `vdi/VDI/info` have it: sizes in bytes, names escaped as in the tree. */
export interface VdiJson {
  readonly name: string;
  readonly vid: string;
  readonly snapshot: boolean;
  readonly snapshotId: number;
  readonly tag: string;
  readonly sizeBytes: number;
  readonly objectBytes: number;
  readonly copies: number;
  /** As the inode has it. */
  readonly copyPolicy: number;
  /** The same as people write it. */
  readonly policy: string;
  readonly hypervolume: boolean;
  readonly createdAt: string;
  readonly parentVid: string | null;
}

export interface ListedVdiJson extends VdiJson {
  readonly usedBytes: number;
  readonly sharedBytes: number;
}

/** `replicated`, or `4:2` for data and parity strips of erasure coding. */
export function policyText(header: Pick<VdiHeader, "copyPolicy">): string {
  const strips = stripsOf(header);
  return strips === null ? "replicated" : `${strips.data}:${strips.parity}`;
}

export function vdiJson(header: VdiHeader): VdiJson {
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
    policy: policyText(header),
    hypervolume: isHypervolume(header),
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
