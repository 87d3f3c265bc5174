import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { deadlineScope, type Scope } from "../../base/scope.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import { TreeDir } from "../dir.ts";
import { escapeName, newNameBytes } from "../names.ts";
import type { Attr, DirEntry, DirNode, FileNode, Node, NodeId } from "../node.ts";
import { attachMade } from "./attaching.ts";
import { NewVolume } from "./new-volume.ts";
import { SnapshotFile } from "./snapshot-file.ts";
import { VolumeNode, type VolumeOptions } from "./volume.ts";

/**
 * volume/: one file for each attached volume, and an event when one comes, goes or changes. A file
 * made here becomes a VDI when it is given a size; a removed one is deleted from the cluster.
 */
export class VolumeDir implements DirNode {
  readonly kind = "dir";
  readonly removalIsFinal = true;
  readonly id: NodeId;
  readonly #options: VolumeOptions;
  readonly #dir: TreeDir;
  readonly #nodes = new Map<AttachedVolume, VolumeNode>();
  readonly #new = new Map<string, NewVolume>();

  constructor(options: VolumeOptions) {
    const { ids, bornMs, volumes } = options;
    this.id = ids.next();
    this.#options = options;
    this.#dir = new TreeDir(this.id, bornMs, {});
    for (const volume of volumes.list()) this.#add(volume);
    volumes.on(({ what, volume }) => {
      const grown = what === "attached" && this.#add(volume);
      const node = this.#nodes.get(volume);
      if (node === undefined) return;
      const { id } = this.#nodeOf(volume);
      if (what === "detached") this.#drop(volume);
      if (what === "changed" || grown) options.events.emit({ id, what: "attr" });
      else this.#told(volume.title, id);
    });
  }

  attr(): Attr {
    return this.#dir.attr();
  }

  lookup(name: string): Node | null {
    return this.#dir.lookup(name);
  }

  list(): AsyncIterable<DirEntry> {
    return this.#dir.list();
  }

  /** It becomes a VDI when it is given a size, and is forgotten when it is closed without one. */
  makeFile(name: string): FileNode {
    this.#options.life.check();
    if (this.lookup(name) !== null) throw new SheepfsError("exists", `volume/${name} exists`);
    newNameBytes(name, escapeName);
    if (this.#new.size >= limits.newVolumesMax) {
      const text = `${this.#new.size} files in volume/ have no size yet; give them one`;
      throw new SheepfsError("overload", text);
    }
    const node = new NewVolume(name, this.#options, () => this.#forget(name));
    this.#new.set(name, node);
    this.#dir.put(name, node, this.#options.clock.wallMs());
    this.#told(name, node.id);
    return node;
  }

  /** A clone of a snapshot, attached. */
  async link(source: Node, name: string, scope: Scope): Promise<Node> {
    const snapshot = source instanceof SnapshotFile ? source.name : this.#nameOf(source);
    if (snapshot === null || snapshot.snapshot === null) {
      const text = "only a snapshot can be cloned: ln snapshot/VDI/TAG volume/NAME";
      throw new SheepfsError("not_supported", text);
    }
    if (this.lookup(name) !== null) throw new SheepfsError("exists", `volume/${name} exists`);
    const { life, volumes } = this.#options;
    const made = { name: newNameBytes(name, escapeName), title: name };
    await life.clone(snapshot, made.name, scope);
    return this.#nodeOf(await attachMade(volumes, made, scope));
  }

  /** Deletes the VDI from the cluster; its snapshots stay. @throws busy while it is open */
  async remove(name: string, scope: Scope): Promise<void> {
    const node = this.lookup(name);
    if (node instanceof NewVolume && node.attached === null) {
      node.refuseMaking();
      this.#forget(name);
      return;
    }
    const attached = this.#options.volumes.get(name);
    if (attached === null) throw new SheepfsError("not_found", `volume/${name} is not there`);
    if (attached.name.snapshot !== null) {
      const text = `'${name}' is a snapshot; remove it from snapshot/, or detach it: vdi/unmount`;
      throw new SheepfsError("invalid", text);
    }
    if (attached.readOnly) {
      throw new SheepfsError("read_only", `'${name}' is attached for reading only`);
    }
    // The name may have been given to another VDI, which nobody here has meant.
    await this.#options.volumes.refresh(attached, scope);
    await this.#options.volumes.detach(name, scope);
    await this.#delete(attached);
  }

  /** Half a deletion is the worst there is: once begun, nobody interrupts it. */
  async #delete({ name, title, volume }: AttachedVolume): Promise<void> {
    const { life, volumes, clock, log } = this.#options;
    const own = (): Scope => deadlineScope(clock, limits.operationTimeoutMs);
    try {
      await life.delete({ ...name, vid: volume.header.vid }, own());
    } catch (thrown) {
      // It is still there, and so it shall be here.
      await volumes.attach({ name, title }, own()).catch((also: unknown) => {
        log.warn(`'${title}' is detached: ${asSheepfsError(also).message}`);
      });
      throw thrown;
    }
  }

  #nameOf(node: Node): AttachedVolume["name"] | null {
    if (!(node instanceof VolumeNode)) return null;
    const { name, volume } = node.attached;
    return { ...name, vid: volume.header.vid };
  }

  /** @returns whether a file that was there has become it: its name has neither come nor gone */
  #add(volume: AttachedVolume): boolean {
    const node = new VolumeNode(this.#options.ids.next(), volume, this.#options);
    this.#nodes.set(volume, node);
    const made = this.#new.get(volume.title);
    this.#new.delete(volume.title);
    if (made?.isAwaited === true) {
      // Who has made the file goes on with it.
      made.become(node);
      return true;
    }
    // A VDI of the name came from elsewhere: what was opened before is not to write into it.
    made?.end();
    this.#dir.put(volume.title, node, this.#options.clock.wallMs());
    return false;
  }

  #drop(volume: AttachedVolume): void {
    this.#nodes.delete(volume);
    this.#dir.drop(volume.title, this.#options.clock.wallMs());
  }

  #nodeOf(volume: AttachedVolume): Node {
    const node = this.#dir.lookup(volume.title);
    if (node === null) throw new SheepfsError("stale", `'${volume.title}' was detached`);
    return node;
  }

  #forget(name: string): void {
    const node = this.#new.get(name);
    if (node === undefined || node.attached !== null) return;
    node.end();
    this.#new.delete(name);
    this.#dir.drop(name, this.#options.clock.wallMs());
    this.#told(name, node.id);
  }

  #told(name: string, id: NodeId): void {
    this.#options.events.emit({ id: this.id, what: "children", child: { name, id } });
  }
}
