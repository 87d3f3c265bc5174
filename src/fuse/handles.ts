import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { OpenFile, OpenMode } from "../tree/node.ts";
import type { DirCursor } from "./dir-cursor.ts";

export interface FileHandle {
  readonly kind: "file";
  readonly nodeId: number;
  readonly mode: OpenMode;
  readonly file: OpenFile;
}

export interface DirHandle {
  readonly kind: "dir";
  readonly nodeId: number;
  readonly cursor: DirCursor;
}

export type Handle = FileHandle | DirHandle;

/** A handle's number as the kernel holds it: its place, and a count that makes it unique. */
export interface HandleNumber {
  readonly low: number;
  readonly high: number;
}

export interface SavedHandle {
  readonly low: number;
  readonly high: number;
  readonly nodeId: number;
  readonly kind: "file" | "dir";
  readonly mode: OpenMode;
}

/** Which open file the kernel means by an fh. */
export class HandleTable {
  readonly #handles: (Handle | null)[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#handles.length - this.#free.length;
  }

  /** @throws overload when too many are open */
  add(handle: Handle): HandleNumber {
    const low = this.#free.pop() ?? this.#handles.length;
    if (low >= limits.handlesMax) {
      throw new SheepfsError("overload", `more than ${limits.handlesMax} files are open`);
    }
    const high = ((this.#uses[low] ?? 0) + 1) >>> 0;
    this.#uses[low] = high;
    this.#handles[low] = handle;
    return { low, high };
  }

  /** Null when the kernel names a file that is not open. */
  file(low: number, high: number): FileHandle | null {
    if (low >= this.#handles.length || this.#uses[low] !== high) return null;
    const handle = this.#handles[low] ?? null;
    return handle !== null && handle.kind === "file" ? handle : null;
  }

  dir(low: number, high: number): DirHandle | null {
    if (low >= this.#handles.length || this.#uses[low] !== high) return null;
    const handle = this.#handles[low] ?? null;
    return handle !== null && handle.kind === "dir" ? handle : null;
  }

  /** Takes the handle out; null when it is not there. */
  remove(low: number, high: number): Handle | null {
    if (low >= this.#handles.length || this.#uses[low] !== high) return null;
    const handle = this.#handles[low] ?? null;
    if (handle === null) return null;
    this.#handles[low] = null;
    this.#free.push(low);
    return handle;
  }

  files(): FileHandle[] {
    return this.#handles.filter((handle) => handle !== null && handle.kind === "file");
  }

  /** Takes everything out, for the end of the mount. */
  clear(): Handle[] {
    const open = this.#handles.filter((handle) => handle !== null);
    this.#handles.length = 0;
    this.#free.length = 0;
    return open;
  }

  save(): SavedHandle[] {
    return this.#handles.flatMap((handle, low) => {
      if (handle === null) return [];
      const mode = handle.kind === "file" ? handle.mode : "read";
      return [{ low, high: this.#uses[low] ?? 0, nodeId: handle.nodeId, kind: handle.kind, mode }];
    });
  }
}
