import type { Scope } from "../base/scope.ts";
import { ControlNode, type ControlOptions } from "./control.ts";
import type { Attr, FileNode, FileTraits, NodeId, OpenFile, OpenMode } from "./node.ts";
import { TextNode, type TextOptions } from "./text.ts";

export type SettingOptions = TextOptions & Pick<ControlOptions, "act" | "log">;

/** A text with a value that a line sets: it is read as a text and written as a control file. */
export class SettingNode implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly traits: FileTraits;
  readonly #text: TextNode;
  readonly #control: ControlNode;

  constructor(options: SettingOptions) {
    this.id = options.id;
    this.#text = new TextNode(options);
    this.#control = new ControlNode({ ...options, text: () => "" });
    this.traits = this.#control.traits;
  }

  async attr(scope: Scope): Promise<Attr> {
    return { ...(await this.#text.attr(scope)), mode: 0o644 };
  }

  async open(mode: OpenMode, scope: Scope): Promise<OpenFile> {
    if (mode === "write") return this.#control.open(mode);
    const shown = await this.#text.open("read", scope);
    if (mode === "read") return shown;
    const written = this.#control.open(mode);
    return {
      sizeBytes: () => shown.sizeBytes(),
      read: (into, offset, within) => shown.read(into, offset, within),
      write: (from, offset, within) => written.write(from, offset, within),
      flush: (within) => written.flush(within),
      sync: (within) => written.sync(within),
      unfinished: () => written.unfinished?.() ?? false,
      close: () => written.close(),
    };
  }

  setSize(bytes: number): Promise<void> {
    return this.#control.setSize(bytes);
  }
}
