import { sameBytes } from "../../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { AttachedVolumes, AttachRequest } from "../../volume/attach.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import { escapeName, escapeTag, fittedName, unescapeBytes, utf8Text } from "../names.ts";
import type { VdiLife } from "./life.ts";
import { vdiMeanings } from "./vdi-names.ts";

const at = 0x40;

/**
 * Attaches what a line names: a VDI, or NAME@TAG (NAME@ID) for a snapshot, which a VDI of that
 * whole name goes before.
 * @param line raw or escaped, as vdi/list shows it
 * @throws not_found naming the line | whatever attaching can throw
 */
export async function attachNamed(
  volumes: AttachedVolumes,
  line: Uint8Array,
  scope: Scope,
): Promise<AttachedVolume> {
  const requests = requestsOf(line);
  const missing: SheepfsError[] = [];
  // What is attached already needs no cluster, so it is looked at first.
  const isAttached = ({ title }: AttachRequest): boolean => volumes.get(title) !== null;
  const inOrder = [
    ...requests.filter(isAttached),
    ...requests.filter((request) => !isAttached(request)),
  ];
  for (const request of inOrder) {
    try {
      return await volumes.attach(request, scope);
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      if (error.code !== "not_found") throw error;
      missing.push(error);
    }
  }
  throw new SheepfsError("not_found", missing.map(({ message }) => message).join("; and "));
}

/**
 * Attaches a VDI that was made just now.
 * @throws whatever attaching can throw, telling that the VDI is there all the same
 */
export async function attachMade(
  volumes: AttachedVolumes,
  { name, title }: { readonly name: Uint8Array; readonly title: string },
  scope: Scope,
): Promise<AttachedVolume> {
  try {
    return await volumes.attach({ name: { name, snapshot: null }, title }, scope);
  } catch (thrown) {
    const { code, message } = asSheepfsError(thrown);
    const text = `VDI '${title}' was made and is not attached: ${message}`;
    throw new SheepfsError(code, text, { cause: thrown });
  }
}

/** What the working VDI of that name is attached as; null when it is not. */
export function attachedWorking(
  volumes: Pick<AttachedVolumes, "list">,
  name: Uint8Array,
): AttachedVolume | null {
  const attached = volumes.list().find((one) => {
    return one.name.snapshot === null && sameBytes(one.name.name, name);
  });
  return attached ?? null;
}

/**
 * Gives a working VDI another size, which is not smaller; where it is attached it shows it at once.
 * @throws invalid for a smaller size | read_only | too_large | not_found | …
 */
export async function growWorking(
  { life, volumes }: { readonly life: VdiLife; readonly volumes: AttachedVolumes },
  name: Uint8Array,
  sizeBytes: number,
  scope: Scope,
): Promise<void> {
  await life.grow(name, sizeBytes, scope);
  const attached = attachedWorking(volumes, name);
  if (attached !== null) await volumes.refresh(attached, scope);
}

/**
 * Detaches what a line names, in any of the ways that `attachNamed` takes, or as volume/ lists it.
 * @throws invalid when nothing of that name is attached | busy
 */
export async function detachNamed(
  volumes: AttachedVolumes,
  line: Uint8Array,
  scope: Scope,
): Promise<string> {
  const listed = utf8Text(line);
  const asListed = listed !== null && volumes.get(listed) !== null;
  const titles = asListed ? [listed] : requestsOf(line).map(({ title }) => title);
  const title = titles.find((title) => volumes.get(title) !== null);
  if (title === undefined) throw new SheepfsError("invalid", `'${titles[0]}' is not attached`);
  await volumes.detach(title, scope);
  return title;
}

/** What a line can mean, the likeliest first; never none. */
function requestsOf(line: Uint8Array): readonly AttachRequest[] {
  const title = titleOf(line);
  return vdiMeanings(line).map((name) => ({
    name,
    title: fittedName(name.snapshot === null ? escapeName(name.name) : title),
  }));
}

/** Of a snapshot as it was named, by its tag or its id. */
function titleOf(line: Uint8Array): string {
  const split = line.lastIndexOf(at);
  const name = unescapeBytes(line.subarray(0, Math.max(0, split)));
  return `${escapeName(name)}@${escapeTag(unescapeBytes(line.subarray(split + 1)))}`;
}
