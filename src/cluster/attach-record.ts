import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type AttributePlace, findAttribute, readAttribute } from "./attributes.ts";
import { nameText } from "./name.ts";

/** A process and when it began, as the kernel counts: numbers are used again. */
export interface ProcessMark {
  readonly pid: number;
  readonly startTicks: number;
}

/** One mount or server, whichever of its processes serves, and where it runs. */
export interface Holder extends ProcessMark {
  /** No other one has the same, at whatever time. */
  readonly instance: string;
  /** Name of the machine, for people. */
  readonly host: string;
  /** The same for one machine after it was started again; empty when it cannot be told apart. */
  readonly machine: string;
  readonly bootId: string;
  /** Which processes the number is one of: those of one container. */
  readonly pidNamespace: string;
  /** Who writes for it where that is another process: it may outlive the one that it was made for. */
  readonly server?: ProcessMark;
  /** No process but somebody, who locked it and says why; until it is unlocked. */
  readonly byHand?: string;
}

/** The lock that its holder has in the cluster: of which VDI, taken through which sheep. */
export interface HeldLock {
  readonly vid: number;
  readonly gateway: string;
}

/** Who has attached a VDI for writing, as it lies in the cluster. */
export interface AttachRecord {
  readonly holder: Holder;
  readonly sinceMs: number;
  readonly lock: HeldLock | null;
  /** Who takes it away from its holder, who shall stop writing; null as long as nobody does. */
  readonly brokenBy: string | null;
}

/** A record where it lies; null for one that cannot be understood. */
export interface FoundRecord {
  readonly place: AttributePlace;
  readonly text: string;
  readonly record: AttachRecord | null;
}

export const recordKey = "sheepfs.attach";
/** Exists while one of several takes a record over. */
export const claimKey = "sheepfs.attach.claim";
/** A record of who gives the name another working VDI just now. */
export const turnKey = "sheepfs.head";

const version = 1;

export function encodeRecord(record: AttachRecord): Uint8Array {
  return new TextEncoder().encode(recordText(record));
}

export function recordText({ holder, sinceMs, lock, brokenBy }: AttachRecord): string {
  const since = new Date(sinceMs).toISOString();
  return JSON.stringify({ sheepfs: version, since, holder, lock, brokenBy });
}

/** The record of a name; null when nobody has attached it. @throws not_found | … */
export async function findRecord(
  caller: SheepCaller,
  vdi: Uint8Array,
  scope: Scope,
): Promise<FoundRecord | null> {
  const place = await findAttribute(caller, { vdi, key: recordKey }, scope);
  return place === null ? null : await recordAt(caller, vdi, place, scope);
}

export async function recordAt(
  caller: SheepCaller,
  vdi: Uint8Array,
  place: AttributePlace,
  scope: Scope,
  key: string = recordKey,
): Promise<FoundRecord | null> {
  const value = await readAttribute(caller, { vdi, key }, place, scope);
  if (value === null) return null;
  const text = new TextDecoder().decode(value);
  return { place, text, record: decodeRecord(text) };
}

/** Null for what is no record of ours, or of a later version: its holder is not known then. */
function decodeRecord(text: string): AttachRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || value["sheepfs"] !== version) return null;
  const { holder, lock, since, brokenBy } = value;
  const sinceMs = typeof since === "string" ? Date.parse(since) : Number.NaN;
  if (!isHolder(holder) || !(lock === null || isLock(lock)) || Number.isNaN(sinceMs)) return null;
  if (!(brokenBy === null || typeof brokenBy === "string")) return null;
  return { holder, lock, sinceMs, brokenBy };
}

/** Who it is, for people. */
export function holderText({ record }: FoundRecord): string {
  if (record === null) return "a client whose record cannot be understood";
  const { host, pid } = record.holder;
  const since = new Date(record.sinceMs).toISOString();
  if (record.holder.byHand !== undefined) {
    return `hand on host '${host}' (since ${since}): ${record.holder.byHand}`;
  }
  return `sheepfs on host '${host}' (process ${pid}, since ${since})`;
}

/** The error for a VDI that somebody has attached. */
export function attachedElsewhere(vdi: Uint8Array, found: FoundRecord): SheepfsError {
  const name = nameText(vdi);
  if (found.record?.holder.byHand !== undefined) {
    const text = `VDI '${name}' is locked by ${holderText(found)}; sheepfs vdi unlock '${name}'`;
    return new SheepfsError("busy", text);
  }
  const broken = found.record?.brokenBy ?? null;
  const state = broken === null ? "" : ` and just being taken away by ${broken}`;
  return new SheepfsError(
    "busy",
    `VDI '${name}' is attached by ${holderText(found)}${state}; detach it there, or, if that one is ` +
      `gone for good: sheepfs vdi lock break '${name}'`,
  );
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const holderTexts = ["instance", "host", "machine", "bootId", "pidNamespace"] as const;

function isHolder(value: unknown): value is Holder {
  if (!isObject(value)) return false;
  const texts = holderTexts.every((key) => typeof value[key] === "string");
  const byHand = value["byHand"];
  if (byHand !== undefined && typeof byHand !== "string") return false;
  return texts && isMark(value) && (value["server"] === undefined || isMark(value["server"]));
}

function isMark(value: unknown): boolean {
  if (!isObject(value)) return false;
  return Number.isSafeInteger(value["pid"]) && Number.isSafeInteger(value["startTicks"]);
}

function isLock(value: unknown): value is HeldLock {
  return isObject(value) && Number.isInteger(value["vid"]) && typeof value["gateway"] === "string";
}
