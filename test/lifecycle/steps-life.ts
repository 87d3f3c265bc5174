import { newHolder } from "../../src/app/self.ts";
import { cloneVdi } from "../../src/cluster/clone-vdi.ts";
import { createVdi } from "../../src/cluster/create-vdi.ts";
import { deleteVdi } from "../../src/cluster/delete-vdi.ts";
import { growVdi } from "../../src/cluster/grow-vdi.ts";
import { rollbackVdi } from "../../src/cluster/rollback-vdi.ts";
import { snapshotVdi } from "../../src/cluster/snapshot-vdi.ts";
import { realClock } from "../../src/sys/clock.ts";
import { cellBytes } from "./cells.ts";
import type { Inode, Kind } from "./model.ts";
import type { Player } from "./player.ts";
import type { Step } from "./steps.ts";
import { outcome } from "./world.ts";

const MiB = 2 ** 20;
const encoder = new TextEncoder();
const isGone = (): boolean => false;
const self = newHolder();

/** Erasure code 2:1, as a policy holds it. */
const twoAndOne = 0x11;

function someKind(player: Player): Kind {
  const plain = { objectBytes: MiB, copies: 2, copyPolicy: 0, hyper: false };
  switch (player.below(8)) {
    case 0:
      return { ...plain, objectBytes: 2 * MiB };
    case 1:
      return { ...plain, copies: 1 };
    case 2:
    case 3:
      return { ...plain, copies: 3, copyPolicy: twoAndOne };
    case 4:
      return { ...plain, objectBytes: 4 * MiB, hyper: true };
    default:
      return plain;
  }
}

/** Some blocks, and mostly a part of one at the end. */
function someSize(player: Player, { objectBytes }: Kind): number {
  const blocks = objectBytes === 4 * MiB ? 2 : 5;
  return (1 + player.below((blocks * objectBytes) / cellBytes)) * cellBytes;
}

function named(name: string) {
  return { name: encoder.encode(name), snapshot: null };
}

function namedSnapshot({ name, tag }: Inode) {
  return { name: encoder.encode(name), snapshot: { tag: encoder.encode(tag) } };
}

function isThere(player: Player, name: string): boolean {
  return (player.model.families.get(name)?.working ?? null) !== null;
}

/** A name whose newest VDI is kept in another way is refused: a sheep would lose sight of that. */
function isOtherwise(player: Player, name: string, { copyPolicy }: Kind): boolean {
  const family = player.model.families.get(name);
  const newest = family?.working ?? family?.snapshots.at(-1);
  return newest !== undefined && newest.kind.copyPolicy !== copyPolicy;
}

async function made(player: Player, name: string): Promise<number> {
  return (await player.world.vidOf(name)).vid;
}

/** With the redundancy of the cluster. */
async function createFile(player: Player, tell: (what: string) => void): Promise<void> {
  const { subject, defaults } = player.world;
  const name = player.newName();
  const kind = { ...defaults, hyper: false };
  const sizeBytes = someSize(player, kind);
  tell(`${name} of ${sizeBytes} bytes`);
  const exists = isThere(player, name);
  const code = exists ? "exists" : isOtherwise(player, name, kind) ? "not_supported" : null;
  await outcome(() => subject.create(`volume/${name}`, sizeBytes), code);
  if (code === null) {
    player.model.create(name, { vid: await made(player, name), sizeBytes, kind });
    player.attached.set(name, { volume: name, title: name });
  } else if (!player.attached.has(name)) {
    // The file without a size that is left.
    await subject.remove(`volume/${name}`);
  }
}

async function createCommand(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller } = player.world;
  const name = player.newName();
  const kind = someKind(player);
  const sizeBytes = someSize(player, kind);
  tell(`${name} of ${sizeBytes} bytes ${JSON.stringify(kind)}`);
  const exists = isThere(player, name);
  const wish = {
    ...{ name: encoder.encode(name), sizeBytes, copies: kind.copies, copyPolicy: kind.copyPolicy },
    ...({ objectBytes: kind.objectBytes, storePolicy: kind.hyper ? 1 : 0 } as const),
  };
  const code = exists ? "exists" : isOtherwise(player, name, kind) ? "not_supported" : null;
  await outcome(() => createVdi(caller, wish, player.world.scope()), code);
  if (code !== null) return;
  player.model.create(name, { vid: await made(player, name), sizeBytes, kind });
  await player.world.lookAgain();
}

async function snapshot(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller, subject } = player.world;
  const name = player.pick([...player.model.families.keys()]);
  if (name === null) return;
  const tag = player.oneIn(50) ? "17" : player.tag();
  const family = player.model.family(name);
  tell(`${name} ${tag}`);
  const code =
    tag === "17"
      ? "invalid"
      : family.working === null
        ? "not_found"
        : family.working.kind.hyper
          ? "not_supported"
          : family.snapshots.some((one) => one.tag === tag)
            ? "exists"
            : null;
  const byCommand = player.oneIn(4);
  const ports = { caller, clock: realClock, isGone, self };
  const wish = { name: encoder.encode(name), tag: encoder.encode(tag) };
  await outcome(
    () =>
      byCommand
        ? snapshotVdi(ports, wish, player.world.scope())
        : subject.makeDir(`snapshot/${name}/${tag}`),
    code,
  );
  if (code === null) player.model.snapshot(name, tag, await made(player, name));
  if (byCommand) await player.world.lookAgain();
}

async function removeSnapshot(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller, subject } = player.world;
  const inode = player.pick(player.snapshots);
  if (inode === null) return;
  const { name, tag } = inode;
  tell(`${name} ${tag}`);
  if (player.oneIn(20)) {
    await outcome(() => subject.remove(`snapshot/${name}/none`), "not_found");
    return;
  }
  const isUsed = player.isUsed(inode);
  if (!isUsed && player.oneIn(4)) {
    await deleteVdi(
      { caller, clock: realClock, isGone },
      namedSnapshot(inode),
      player.world.scope(),
    );
    await player.world.lookAgain();
  } else {
    const code = isUsed ? "busy" : null;
    await outcome(() => subject.remove(`snapshot/${name}/${tag}`), code);
    if (isUsed) return;
  }
  player.model.delete(inode);
}

async function clone(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller, subject } = player.world;
  const source = player.pick(player.snapshots);
  if (source === null) return;
  const name = player.newName();
  tell(`${source.name} ${source.tag} as ${name}`);
  const code = isThere(player, name)
    ? "exists"
    : isOtherwise(player, name, source.kind)
      ? "not_supported"
      : null;
  if (player.oneIn(4)) {
    const target = encoder.encode(name);
    const work = () => cloneVdi(caller, namedSnapshot(source), target, player.world.scope());
    await outcome(work, code);
  } else {
    const path = `snapshot/${source.name}/${source.tag}`;
    await outcome(() => subject.link(path, `volume/${name}`), code);
    if (code === null) player.attached.set(name, { volume: name, title: name });
  }
  if (code === null) player.model.clone(source, name, await made(player, name));
  await player.world.lookAgain();
}

async function removeVolume(player: Player, tell: (what: string) => void): Promise<void> {
  const { subject } = player.world;
  const name = player.pick(player.volumes);
  if (name === null) return;
  tell(name);
  const path = `volume/${name}`;
  const code = !player.attached.has(name) ? "not_found" : player.isOpen(path) ? "busy" : null;
  await outcome(() => subject.remove(path), code);
  if (code !== null) return;
  player.attached.delete(name);
  player.model.delete(player.working(name));
}

async function removeCommand(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller } = player.world;
  const name = player.oneIn(10) ? player.newName() : player.pick(player.volumes);
  if (name === null) return;
  tell(name);
  const code = !isThere(player, name) ? "not_found" : player.attached.has(name) ? "busy" : null;
  await outcome(
    () => deleteVdi({ caller, clock: realClock, isGone }, named(name), player.world.scope()),
    code,
  );
  if (code !== null) return;
  player.model.delete(player.working(name));
  await player.world.lookAgain();
}

async function rollback(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller } = player.world;
  const to = player.pick(player.snapshots);
  if (to === null) return;
  const { name } = to;
  const keepTag = player.tag();
  tell(`${name} to ${to.tag}, keep as ${keepTag}`);
  const family = player.model.family(name);
  const exists = family.snapshots.some(({ tag }) => tag === keepTag);
  const refused = player.attached.has(name) ? "busy" : exists ? "exists" : null;
  const isHyper = family.working?.kind.hyper === true || isOtherwise(player, name, to.kind);
  const code = isHyper ? "not_supported" : family.working === null ? null : refused;
  const ports = { caller, clock: realClock, isGone, self };
  const keep = encoder.encode(keepTag);
  await outcome(() => rollbackVdi(ports, namedSnapshot(to), keep, player.world.scope()), code);
  if (code === null) player.model.rollback(to, keepTag, await made(player, name));
  await player.world.lookAgain();
}

async function grow(player: Player, tell: (what: string) => void): Promise<void> {
  const { caller, subject } = player.world;
  const name = player.pick(player.volumes);
  if (name === null) return;
  const inode = player.working(name);
  const { objectBytes } = inode.kind;
  const isSmaller = player.oneIn(5) && inode.sizeBytes > cellBytes;
  const grown = inode.sizeBytes + player.below(objectBytes / cellBytes) * cellBytes;
  const sizeBytes = isSmaller ? inode.sizeBytes - cellBytes : grown;
  if (sizeBytes > 6 * Math.max(objectBytes, 2 * MiB)) return;
  tell(`${name} to ${sizeBytes}`);
  const code = isSmaller ? "invalid" : null;
  const work = player.attached.has(name)
    ? () => subject.setSize(`volume/${name}`, sizeBytes)
    : () => growVdi(caller, encoder.encode(name), sizeBytes, player.world.scope());
  await outcome(work, code);
  if (code === null) inode.sizeBytes = sizeBytes;
}

async function linkVolume(player: Player): Promise<void> {
  const name = player.pick(player.attachedVolumes);
  if (name === null) return;
  const { subject } = player.world;
  await outcome(() => subject.link(`volume/${name}`, `volume/${player.prefix}no`), "not_supported");
}

export const lifeSteps: readonly Step[] = [
  { name: "create as a file", weight: 8, frees: false, run: createFile },
  { name: "create by command", weight: 25, frees: false, run: createCommand },
  { name: "snapshot", weight: 60, frees: false, run: snapshot },
  { name: "remove a snapshot", weight: 45, frees: true, run: removeSnapshot },
  { name: "clone", weight: 35, frees: false, run: clone },
  { name: "clone no snapshot", weight: 2, frees: true, run: linkVolume },
  { name: "remove a volume", weight: 20, frees: true, run: removeVolume },
  { name: "delete by command", weight: 20, frees: true, run: removeCommand },
  { name: "roll back", weight: 25, frees: false, run: rollback },
  { name: "grow", weight: 20, frees: true, run: grow },
];
