import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { AttachedVolumes, AttachRequest } from "../../volume/attach.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import { escapeName, escapeTag, fittedName, unescapeBytes, utf8Text } from "../names.ts";

const at = 0x40;
const nameBytesMax = 255;

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
  for (const request of requests) {
    // Attached already is success, and needs no cluster.
    if (volumes.get(request.title) !== null) return await volumes.attach(request, scope);
  }
  const missing: SheepfsError[] = [];
  for (const request of requests) {
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
  const name = checkedName(unescapeBytes(line));
  const whole = { name: { name, snapshot: null }, title: fittedName(escapeName(name)) };
  const split = line.lastIndexOf(at);
  if (split <= 0 || split === line.length - 1) return [whole];
  const base = unescapeBytes(line.subarray(0, split));
  const tag = unescapeBytes(line.subarray(split + 1));
  const title = fittedName(`${escapeName(base)}@${escapeTag(tag)}`);
  const id = snapshotId(tag);
  const tagged = { name: { name: base, snapshot: { tag } }, title };
  if (id === null) return [whole, tagged];
  return [whole, { name: { name: base, snapshot: { id } }, title }, tagged];
}

/** As with dog, a number means the snapshot's id before it means a tag. */
function snapshotId(tag: Uint8Array): number | null {
  const text = utf8Text(tag);
  return text !== null && /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : null;
}

function checkedName(name: Uint8Array): Uint8Array {
  if (name.length > nameBytesMax) {
    throw new SheepfsError(
      "name_too_long",
      `a VDI's name has at most ${nameBytesMax} bytes, this one has ${name.length}`,
    );
  }
  if (name.includes(0)) {
    throw new SheepfsError("invalid", `a VDI's name has no NUL byte: '${escapeName(name)}'`);
  }
  return name;
}
