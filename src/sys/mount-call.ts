import { ptr } from "bun:ffi";
import { cString, libc, result } from "./libc.ts";

export const mountFlag = {
  readOnly: 1,
  noSetId: 2,
  noDevices: 4,
  noExec: 8,
  sync: 16,
  dirSync: 128,
  noAtime: 1024,
  noDirAtime: 2048,
  relAtime: 1 << 21,
} as const;

/** mount(2). @returns 0 or the negative errno */
export function mountFilesystem(wish: {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly flags: number;
  readonly data: string;
}): number {
  const texts = [wish.source, wish.target, wish.type, wish.data].map(cString);
  const [source, target, type, data] = texts.map((text) => ptr(text));
  return result(libc.mount(source ?? null, target ?? null, type ?? null, wish.flags, data ?? null));
}
