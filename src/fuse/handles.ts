import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { OpenFile, OpenMode } from "../tree/node.ts";
import type { DirCursor } from "./dir-cursor.ts";
import type { Notes, SavedHandle, SessionChange } from "./saved.ts";

export interface FileHandle {
  readonly kind: "file";
  readonly nodeId: number;
  readonly mode: OpenMode;
  readonly file: OpenFile;
  /** Of a text: what it was when it was opened. */
  readonly text: Uint8Array | null;
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

/** Which open file the kernel means by an fh. */
export class HandleTable {
  readonly #handles: (Handle | null)[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];
  readonly #notes: Notes;
  /** No count of a predecessor was higher. */
  #usesBefore = 0;
  #textBytes = 0;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  get size(): number {
    return this.#handles.length - this.#free.length;
  }

  /** @throws overload when too many are open */
  add(handle: Handle): HandleNumber {
    const low = this.#free.pop() ?? this.#handles.length;
    if (low >= limits.handlesMax) {
      throw new SheepfsError("overload", `more than ${limits.handlesMax} files are open`);
    }
    const high = ((this.#uses[low] ?? this.#usesBefore) + 1) >>> 0;
    this.#uses[low] = high;
    this.#handles[low] = handle;
    this.#textBytes += textBytesOf(handle);
    this.#notes?.note({ is: "opened", handle: this.#saved(handle, { low, high }) });
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
    this.#textBytes -= textBytesOf(handle);
    this.#notes?.note({ is: "closed", low });
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

  /** Takes over what a predecessor gave to the kernel; before anything is opened here. */
  restore(handles: readonly { at: HandleNumber; handle: Handle }[], usesBefore: number): void {
    this.#usesBefore = usesBefore;
    for (const { at, handle } of handles) {
      this.#handles[at.low] = handle;
      this.#uses[at.low] = at.high;
      this.#textBytes += textBytesOf(handle);
    }
    for (let low = 0; low < this.#handles.length; low += 1) {
      if ((this.#handles[low] ?? null) !== null) continue;
      this.#handles[low] = null;
      this.#free.push(low);
    }
  }

  save(): SessionChange[] {
    return this.#handles.flatMap((handle, low) => {
      if (handle === null) return [];
      const high = this.#uses[low] ?? 0;
      return [{ is: "opened" as const, handle: this.#saved(handle, { low, high }) }];
    });
  }

  /** The highest count that was given out. */
  get uses(): number {
    return this.#uses.reduce((most, uses) => Math.max(most, uses ?? 0), this.#usesBefore);
  }

  #saved(handle: Handle, { low, high }: HandleNumber): SavedHandle {
    const { kind, nodeId } = handle;
    if (handle.kind === "dir") {
      return { low, high, nodeId, kind, mode: "read", text: null, unfinished: false };
    }
    const { mode, text, file } = handle;
    const kept =
      text !== null &&
      text.length <= limits.savedTextBytesMax &&
      this.#textBytes <= limits.savedTextsBytesMax;
    return {
      ...{ low, high, nodeId, kind, mode },
      text: kept ? Buffer.from(text).toString("base64") : null,
      unfinished: file.unfinished?.() ?? false,
    };
  }
}

function textBytesOf(handle: Handle): number {
  return handle.kind === "file" ? (handle.text?.length ?? 0) : 0;
}
