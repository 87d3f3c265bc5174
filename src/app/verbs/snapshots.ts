import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Address } from "../../base/address.ts";
import { isErrorCode, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { deadlineScope } from "../../base/scope.ts";
import { waitWithin } from "../../base/waiting.ts";
import {
  attachedElsewhere,
  type FoundRecord,
  findRecord,
  type Holder,
} from "../../cluster/attach-record.ts";
import { nameText } from "../../cluster/name.ts";
import { resolveVdi } from "../../cluster/resolve.ts";
import { snapshotVdi } from "../../cluster/snapshot-vdi.ts";
import { cardOf } from "../../keeper/find.ts";
import { realClock } from "../../sys/clock.ts";
import { type VdiJson, vdiJson } from "../../tree/entries/vdi-json.ts";
import { escapeName, unescapeName } from "../../tree/names.ts";
import { isGone, newHolder } from "../self.ts";
import { withCluster } from "./cluster.ts";
import { writePath } from "./tree.ts";

const controlPath = "vdi/snapshot";

/** @returns the snapshot */
export async function makeSnapshot(
  gateways: readonly Address[],
  wish: { readonly name: string; readonly tag: string },
): Promise<VdiJson> {
  const names = { name: unescapeName(wish.name), tag: unescapeName(wish.tag) };
  return await withCluster(gateways, async (caller, scope) => {
    const ports = { caller, clock: realClock, isGone, self: newHolder() };
    const { snapshot } = await snapshotVdi(ports, names, scope);
    return vdiJson(snapshot);
  });
}

/**
 * Makes snapshots of several VDIs at one moment: through the mount of this host that has attached them,
 * which holds their writes back, or here, when none is attached.
 * @returns the snapshots
 * @throws busy naming who else has attached one | whatever making one can throw
 */
export async function makeGroupSnapshot(
  gateways: readonly Address[],
  wish: { readonly names: readonly string[]; readonly tag: string },
): Promise<readonly VdiJson[]> {
  const names = wish.names.map(unescapeName);
  const tag = unescapeName(wish.tag);
  const mountpoint = await mountOf(gateways, names);
  const line = `${[tag, ...names].map(word).join(" ")}\n`;
  if (mountpoint !== null) await tell(mountpoint, line);
  else await writePath({ gateways, path: controlPath }, lines(line), 0);
  return await withCluster(gateways, async (caller, scope) => {
    const made = names.map((name) => resolveVdi(caller, { name, snapshot: { tag } }, scope));
    return (await Promise.all(made)).map(vdiJson);
  });
}

async function* lines(line: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(line);
}

function word(bytes: Uint8Array): string {
  return escapeName(bytes).replaceAll(" ", "\\x20");
}

/**
 * Where the mount is that has attached any of them; null when nobody has.
 * @throws busy when there are several, or it is none of this host | not_found
 */
async function mountOf(
  gateways: readonly Address[],
  names: readonly Uint8Array[],
): Promise<string | null> {
  const records = await withCluster(gateways, async (caller, scope) => {
    const found: { readonly name: Uint8Array; readonly left: FoundRecord }[] = [];
    for (const name of names) {
      await resolveVdi(caller, { name, snapshot: null }, scope);
      const left = await findRecord(caller, name, scope);
      if (left !== null && (left.record === null || !isGone(left.record.holder))) {
        found.push({ name, left });
      }
    }
    return found;
  });
  const [first] = records;
  if (first === undefined) return null;
  const byHand = records.find(({ left }) => left.record?.holder.byHand !== undefined);
  if (byHand !== undefined) throw attachedElsewhere(byHand.name, byHand.left);
  const holder = first.left.record?.holder ?? null;
  const other = records.find(({ left }) => left.record?.holder.instance !== holder?.instance);
  if (holder === null || other !== undefined) {
    const { name, left } = other ?? first;
    throw apart(name, left, "one mount has to have attached all of a group that are attached");
  }
  const mountpoint = isHere(holder) ? (cardOf(holder.pid)?.mountpoint ?? null) : null;
  if (mountpoint !== null) return mountpoint;
  const line = `echo '${["TAG", ...names.map(word)].join(" ")}' > ${controlPath}`;
  throw apart(first.name, first.left, `it is no mount of yours on this host: there, ${line}`);
}

function apart(name: Uint8Array, left: FoundRecord, why: string): SheepfsError {
  const { message } = attachedElsewhere(name, left);
  return new SheepfsError("busy", `a group with '${nameText(name)}': ${why}; ${message}`);
}

/** Its process numbers are those that we see. */
function isHere({ bootId, pidNamespace }: Holder): boolean {
  const own = newHolder();
  return bootId !== "" && bootId === own.bootId && pidNamespace === own.pidNamespace;
}

/** Writes a line to the control file of a mount, which may hang. @throws what the line came to */
async function tell(mountpoint: string, line: string): Promise<void> {
  const path = join(mountpoint, controlPath);
  const scope = deadlineScope(realClock, limits.operationTimeoutMs);
  const about = { clock: realClock, what: `'${path}'` };
  try {
    await waitWithin(writeFile(path, line), scope, about);
  } catch (thrown) {
    if (thrown instanceof SheepfsError) throw thrown;
    throw (await told(path, line.trimEnd())) ?? unreadable(path, thrown);
  }
}

/** What its file says of the line, which it may show shortened; null when it does not. */
async function told(path: string, line: string): Promise<SheepfsError | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  const begin = `  '${line.slice(0, 200)}`;
  const row = text.split("\n").findLast((one) => one.includes(begin)) ?? "";
  const [before = "", after = ""] = row.split(begin);
  const code = before.split("  ").at(-1) ?? "";
  const reason = after.slice(after.indexOf("'  ") + 3);
  return isErrorCode(code) ? new SheepfsError(code, reason) : null;
}

function unreadable(path: string, thrown: unknown): SheepfsError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const doubt = "some of the group may have been made, and not of one moment: see vdi/list";
  const text = `'${path}' cannot be written: ${why}; ${doubt}`;
  return new SheepfsError("unavailable", text, { inDoubt: true });
}
