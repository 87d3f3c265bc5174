import { SheepfsError } from "../base/errors.ts";
import { errnoNumber, errorText, libc, result } from "./libc.ts";

const seekData = 3;
const seekHole = 4;

/**
 * Where data begins at or behind `offset` of a file, and where that ends; null when there is none. A
 * file system that knows no holes says that all of it is data.
 * @throws corrupt when the file cannot be read
 */
export function nextData(fd: number, offset: number): { from: number; end: number } | null {
  const from = result(libc.lseek(fd, offset, seekData));
  if (from === -errnoNumber.ENXIO) return null;
  const end = from < 0 ? from : result(libc.lseek(fd, from, seekHole));
  if (end < 0) throw new SheepfsError("corrupt", `looking for data: ${errorText(-end)}`);
  return { from, end };
}
