import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { EventHub } from "./events.ts";
import { Fresh } from "./fresh.ts";
import type { Attr, FileNode, FileTraits, NodeId, OpenFile, OpenMode } from "./node.ts";
import type { Patience } from "./patience.ts";

export interface TextOptions {
  readonly id: NodeId;
  /** Path in the tree, for messages. */
  readonly path: string;
  readonly render: (scope: Scope) => Promise<string>;
  readonly clock: Clock;
  readonly events: EventHub;
  readonly patience: Patience;
  readonly bornMs: number;
  /** How long a rendering is shown again; `limits.textCacheMs` if not given. */
  readonly freshMs?: number;
}

interface Rendering {
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

const textTraits: FileTraits = {
  seekable: false,
  immutable: false,
  // The size of a text differs from one rendering to the next, so no cache may go by it.
  directIo: true,
  blockBytes: 1,
  writable: false,
  extensible: false,
};

const encoder = new TextEncoder();

/** A text that is rendered when it is opened; what was opened never changes under its reader. */
export class TextNode implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly traits = textTraits;
  readonly #options: TextOptions;
  readonly #rendering: Fresh<Rendering>;

  constructor(options: TextOptions) {
    this.id = options.id;
    this.#options = options;
    const { path, render, clock, patience } = options;
    this.#rendering = new Fresh({
      what: path,
      ...{ clock, patience },
      ...(options.freshMs === undefined ? {} : { freshMs: options.freshMs }),
      make: async (scope) => ({
        bytes: encoder.encode(await render(scope)),
        atMs: clock.wallMs(),
      }),
    });
  }

  /** Of the text that an open would now show; in an outage, of the last that could be rendered. */
  async attr(scope: Scope): Promise<Attr> {
    const { bornMs } = this.#options;
    const rendering = await this.#rendering.getSoon(scope);
    return {
      ...textAttr(rendering?.bytes.length ?? 0, rendering?.atMs ?? bornMs, bornMs),
      mode: 0o444,
    };
  }

  async open(mode: OpenMode, scope: Scope): Promise<OpenFile> {
    if (mode !== "read") {
      throw new SheepfsError("denied", `${this.#options.path} is a text that nobody can write`);
    }
    const { bytes } = await this.#rendering.get(scope);
    return openBytes(bytes, this.#options.path);
  }

  /** To be called when what it shows has changed. */
  changed(): void {
    this.#rendering.invalidate();
    this.#options.events.emit({ id: this.id, what: "content" });
  }
}

/** Of a text that may be written; who refuses that says so in the mode. */
export function textAttr(sizeBytes: number, changedMs: number, bornMs: number): Attr {
  return {
    kind: "file",
    sizeBytes,
    allocatedBytes: 0,
    mode: 0o644,
    mtimeMs: changedMs,
    ctimeMs: changedMs,
    birthtimeMs: bornMs,
  };
}

/** An open file of bytes that stay as they are. */
function openBytes(bytes: Uint8Array, path: string): OpenFile {
  return {
    sizeBytes: () => bytes.length,
    read: (into, offset) => readBytes(bytes, into, offset),
    write: () => {
      throw new SheepfsError("denied", `${path} is open for reading only`);
    },
    flush: async () => {},
    sync: async () => {},
    close: async () => {},
  };
}

/** Copies what is there from `offset` on. */
export function readBytes(bytes: Uint8Array, into: Uint8Array, offset: number): number {
  const part = bytes.subarray(offset, offset + into.length);
  into.set(part);
  return part.length;
}
