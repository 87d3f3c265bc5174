import type { Random } from "../../src/base/random.ts";
import type { SubjectFile } from "../conformance/subject.ts";
import { type Inode, Model } from "./model.ts";
import type { World } from "./world.ts";

/** Something that is open for longer than a step. */
export interface Open {
  readonly path: string;
  readonly file: SubjectFile;
  readonly what: Readable;
  readonly writable: boolean;
}

/** What can be read: what a volume is now, or a snapshot. */
export type Readable =
  | { readonly volume: string; readonly title: string }
  | { readonly snapshot: Inode; readonly title: string | null };

/** VDIs and snapshots that are there at once. */
const inodesMax = 40;
const namesAtOnce = 8;
/** After so many steps a name is given to no new VDI: a look-up goes through all that had it. */
const stepsPerName = 250;

/** Who takes the steps: what is attached and open, and what is chosen next. */
export class Player {
  readonly world: World;
  readonly model = new Model();
  readonly prefix: string;
  step = 0;
  /** What is attached, by the name in volume/: a VDI, or a snapshot for reading. */
  readonly attached = new Map<string, Readable>();
  readonly opened: Open[] = [];
  readonly #random: Random;
  #lastStamp = 0;

  constructor(world: World, random: Random, prefix: string) {
    this.world = world;
    this.#random = random;
    this.prefix = prefix;
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }

  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T | null {
    return list[this.below(Math.max(1, list.length))] ?? null;
  }

  /** A name for something new, which may be taken. */
  newName(): string {
    return `${this.prefix}${Math.floor(this.step / stepsPerName) + this.below(namesAtOnce)}`;
  }

  tag(): string {
    return `t${this.below(6)}`;
  }

  stamp(): number {
    this.#lastStamp += 1;
    return this.#lastStamp;
  }

  get isFull(): boolean {
    return this.model.live.length >= inodesMax;
  }

  get snapshots(): Inode[] {
    return [...this.model.families.values()].flatMap(({ snapshots }) => snapshots);
  }

  /** Names with a working VDI. */
  get volumes(): string[] {
    return [...this.model.families.values()]
      .filter(({ working }) => working !== null)
      .map(({ name }) => name);
  }

  get attachedVolumes(): string[] {
    return [...this.attached.values()].flatMap((what) => ("volume" in what ? [what.volume] : []));
  }

  working(name: string): Inode {
    const inode = this.model.families.get(name)?.working ?? null;
    if (inode === null) throw new Error(`the model has no working '${name}'`);
    return inode;
  }

  inodeOf(what: Readable): Inode {
    return "volume" in what ? this.working(what.volume) : what.snapshot;
  }

  isOpen(path: string): boolean {
    return this.opened.some((open) => open.path === path);
  }

  /** Whether it is read as a file or is attached. */
  isUsed(snapshot: Inode): boolean {
    const { name, tag } = snapshot;
    return this.attached.has(`${name}@${tag}`) || this.isOpen(`snapshot/${name}/${tag}`);
  }

  async close(open: Open): Promise<void> {
    this.opened.splice(this.opened.indexOf(open), 1);
    await open.file.close();
  }

  /** Closes and detaches all. */
  async restart(): Promise<void> {
    await this.end();
    await this.world.restart();
    this.attached.clear();
  }

  async end(): Promise<void> {
    for (const open of [...this.opened]) await this.close(open);
  }
}

export function pathOf(what: Readable): string {
  if ("volume" in what) return `volume/${what.title}`;
  if (what.title !== null) return `volume/${what.title}`;
  return `snapshot/${what.snapshot.name}/${what.snapshot.tag}`;
}
