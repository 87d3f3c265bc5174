import { SheepfsError } from "../../base/errors.ts";
import { hexVid } from "../../cluster/inode.ts";
import { escapeName } from "../../tree/names.ts";
import { type InodeHeader, wireTimeText } from "../../wire/inode.ts";

/** Which state of which VDI something was made from: no other one of any cluster has the same. */
export interface StateId {
  readonly name: string;
  readonly tag: string;
  readonly vid: string;
  readonly created: string;
  /** When it became a snapshot; null for a working VDI, which may change. */
  readonly taken: string | null;
}

export function stateIdOf({
  name,
  tag,
  vid,
  createTime,
  snapTime,
  isSnapshot,
}: InodeHeader): StateId {
  return {
    name: escapeName(name),
    tag: isSnapshot ? escapeName(tag) : "",
    vid: hexVid(vid),
    created: wireTimeText(createTime),
    taken: isSnapshot ? wireTimeText(snapTime) : null,
  };
}

/** Names and tags are for people: they may be changed, and are not looked at. */
export function sameState(a: StateId, b: StateId): boolean {
  return a.vid === b.vid && a.created === b.created && a.taken === b.taken;
}

/** The same as one word, as `sameState` compares them. */
export function stateKey({ vid, created, taken }: StateId): string {
  return `${vid} ${created} ${taken ?? "working"}`;
}

/** Of a VDI that may become a snapshot meanwhile. */
export function vdiKey({ vid, created }: Pick<StateId, "vid" | "created">): string {
  return `${vid} ${created}`;
}

export function stateText({ name, tag, vid, taken }: StateId): string {
  if (taken === null) return `'${name}'`;
  return `'${name}@${tag === "" ? `(vid ${vid})` : tag}'`;
}

/** @throws corrupt */
export function stateIdFrom(value: unknown, path: string): StateId {
  const { name, tag, vid, created, taken } = (value ?? {}) as Record<string, unknown>;
  const texts = [name, tag, vid, created].every((text) => typeof text === "string");
  if (texts && (taken === null || typeof taken === "string")) return value as StateId;
  throw new SheepfsError("corrupt", `'${path}' does not say what it was made from`);
}
