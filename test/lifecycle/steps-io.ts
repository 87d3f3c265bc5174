import type { SubjectFile } from "../conformance/subject.ts";
import { cellBytes, cellsContent, firstWrong, stampOf } from "./cells.ts";
import { type CellRange, cellsOf, type Inode } from "./model.ts";
import { type Player, pathOf, type Readable } from "./player.ts";
import type { Step } from "./steps.ts";
import { outcome } from "./world.ts";

/** Some cells of a VDI: mostly few, at times whole blocks or all. */
function someCells(player: Player, inode: Inode): CellRange {
  const cells = cellsOf(inode);
  const perBlock = inode.kind.objectBytes / cellBytes;
  if (player.oneIn(20)) return { from: 0, end: cells };
  if (player.oneIn(4)) {
    const block = player.below(Math.ceil(cells / perBlock));
    const blocks = 1 + player.below(2);
    return { from: block * perBlock, end: Math.min(cells, (block + blocks) * perBlock) };
  }
  const from = player.below(cells);
  return { from, end: Math.min(cells, from + 1 + player.below(player.oneIn(4) ? 200 : 16)) };
}

/** Something that is open already, or a file that is opened for this. */
async function withFile(
  player: Player,
  what: Readable,
  writes: boolean,
  work: (file: SubjectFile) => Promise<void>,
): Promise<void> {
  const path = pathOf(what);
  const open = player.opened.find((one) => one.path === path && (one.writable || !writes));
  if (open !== undefined) return await work(open.file);
  await using file = await player.world.subject.open(path, writes ? "readwrite" : "read");
  await work(file);
}

/** @throws Error naming the first cell that does not read as it was written */
export async function readsBack(
  file: SubjectFile,
  inode: Inode,
  { from, end }: CellRange,
): Promise<void> {
  const cellsAtOnce = 512;
  for (let at = from; at < end; at += cellsAtOnce) {
    const length = Math.min(cellsAtOnce, end - at) * cellBytes;
    const bytes = await file.read(at * cellBytes, length);
    const which = `'${inode.name}' ${inode.tag} (vid ${inode.vid.toString(16)})`;
    if (bytes.length !== length) throw new Error(`${which}: ${bytes.length} of ${length} bytes`);
    const wrong = firstWrong(bytes, at, (cell) => inode.cells.get(cell) ?? 0);
    if (wrong === null) continue;
    const is = stampOf(bytes.subarray((wrong - at) * cellBytes));
    const was = inode.cells.get(wrong) ?? 0;
    throw new Error(`${which}: cell ${wrong} reads as ${is} and not as ${was}`);
  }
}

function pickVolume(player: Player): Readable | null {
  const volume = player.pick(player.attachedVolumes);
  return volume === null ? null : { volume, title: volume };
}

export const ioSteps: readonly Step[] = [
  {
    name: "write",
    ...{ weight: 200, frees: true },
    run: async (player, tell) => {
      const what = pickVolume(player);
      if (what === null) return;
      const inode = player.inodeOf(what);
      const range = someCells(player, inode);
      tell(`${pathOf(what)} cells ${range.from} to ${range.end}`);
      const stamps = new Map<number, number>();
      for (let cell = range.from; cell < range.end; cell += 1) stamps.set(cell, player.stamp());
      const stamp = (cell: number): number => stamps.get(cell) ?? 0;
      const bytes = cellsContent(range.from, range.end, stamp);
      await withFile(player, what, true, async (file) => {
        const written = await file.write(range.from * cellBytes, bytes);
        if (written !== bytes.length) throw new Error(`${written} of ${bytes.length} bytes`);
      });
      player.model.write(player.inodeOf(what), range, stamp);
    },
  },
  {
    name: "write across the end",
    ...{ weight: 6, frees: true },
    run: async (player, tell) => {
      const what = pickVolume(player);
      if (what === null) return;
      const inode = player.inodeOf(what);
      const cells = cellsOf(inode);
      tell(pathOf(what));
      const stamp = player.stamp();
      const bytes = cellsContent(cells - 1, cells + 2, () => stamp);
      await withFile(player, what, true, async (file) => {
        const written = await file.write((cells - 1) * cellBytes, bytes);
        if (written !== cellBytes) throw new Error(`${written} bytes written, not one cell`);
        await outcome(() => file.write(cells * cellBytes, bytes), "no_space");
      });
      player.model.write(player.inodeOf(what), { from: cells - 1, end: cells }, () => stamp);
    },
  },
  {
    name: "read",
    ...{ weight: 200, frees: true },
    run: async (player, tell) => {
      const snapshot = player.pick(player.snapshots);
      const what =
        snapshot !== null && player.oneIn(2) ? { snapshot, title: null } : pickVolume(player);
      if (what === null) return;
      const range = someCells(player, player.inodeOf(what));
      tell(`${pathOf(what)} cells ${range.from} to ${range.end}`);
      await withFile(player, what, false, (file) => readsBack(file, player.inodeOf(what), range));
    },
  },
  {
    name: "discard",
    ...{ weight: 50, frees: true },
    run: async (player, tell) => {
      const what = pickVolume(player);
      if (what === null) return;
      const { from, end } = someCells(player, player.inodeOf(what));
      tell(`${pathOf(what)} cells ${from} to ${end}`);
      await withFile(player, what, true, (file) =>
        file.discard(from * cellBytes, (end - from) * cellBytes),
      );
      player.model.discard(player.inodeOf(what), { from, end });
    },
  },
  {
    name: "sync",
    ...{ weight: 10, frees: true },
    run: async (player) => {
      const open = player.pick(player.opened);
      await open?.file.sync();
    },
  },
];
