import type { VdiFacts } from "../../cluster/vdis.ts";
import { escapeName } from "../names.ts";
import { padEndBytes, padStartBytes } from "./render-columns.ts";
import { sizeText } from "./render-size.ts";
import { localTime } from "./time.ts";

const heading =
  "  Name        Id    Size    Used  Shared    Creation time   VDI id  Copies  Tag" +
  "   Block Size Shift\n";

/**
 * What `dog vdi list` prints, but for names and tags that a line cannot hold: they are escaped as
 * everywhere in the tree.
 */
export function renderVdiList(vdis: readonly VdiFacts[]): string {
  return heading + vdis.map(row).join("");
}

function row({ header, strips, ...facts }: VdiFacts): string {
  const { isSnapshot, snapId, vid, createTime } = header;
  const size = (bytes: number): string => sizeText(bytes).padStart(7);
  const columns = [
    mark(header),
    padEndBytes(escapeName(header.name), 8),
    // It is a signed number there.
    String(isSnapshot ? snapId | 0 : 0).padStart(5),
    size(header.vdiSize),
    size(facts.ownBlocks * facts.objectBytes),
    size(facts.sharedBlocks * facts.objectBytes),
    localTime(createTime.seconds * 1000).slice(0, "2026-11-25 08:15".length),
    ` ${vid.toString(16).padStart(7)}`,
    (strips === null ? String(header.copies) : `${strips.data}:${strips.parity}`).padStart(6),
    padStartBytes(escapeName(header.tag), 13),
    String(header.blockSizeShift).padStart(3),
  ];
  return `${columns.join(" ")}\n`;
}

function mark({ isSnapshot, snapId, parentVid }: VdiFacts["header"]): string {
  if (isSnapshot) return "s";
  return snapId === 1 && parentVid !== 0 ? "c" : " ";
}
