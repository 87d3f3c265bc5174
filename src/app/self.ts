import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Holder, ProcessMark } from "../cluster/attach-record.ts";

/** Who attaches in the name of a process: another one for every call. */
export function newHolder(pid: number = process.pid): Holder {
  return {
    instance: randomUUID(),
    host: hostname(),
    machine: machineId(),
    bootId: lineOf("/proc/sys/kernel/random/boot_id"),
    pidNamespace: linkOf("/proc/self/ns/pid"),
    ...processMark(pid),
  };
}

export function processMark(pid: number): ProcessMark {
  return { pid, startTicks: statOf(pid)?.startTicks ?? 0 };
}

/**
 * Whether a holder is known to have ended: its processes are no longer there, or its machine, which is
 * this one, was started again. Never true for one that might run, such as that of another machine.
 */
export function isGone(holder: Holder): boolean {
  const bootId = lineOf("/proc/sys/kernel/random/boot_id");
  if (holder.bootId === "" || bootId === "") return false;
  if (holder.bootId !== bootId) return holder.machine !== "" && holder.machine === machineId();
  // The numbers of another container's processes mean nothing here.
  if (holder.pidNamespace === "" || holder.pidNamespace !== linkOf("/proc/self/ns/pid"))
    return false;
  return !runs(holder) && (holder.server === undefined || !runs(holder.server));
}

function runs({ pid, startTicks }: ProcessMark): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ESRCH") return false;
  }
  // It may be there and not ours to look at.
  const stat = statOf(pid);
  return stat === null || (stat.startTicks === startTicks && !stat.ends);
}

/** Of the flags of a process: it runs no more of its program. */
const exiting = 4;

/** When a process began, and whether it has ended as far as it can write; null when it is not seen. */
function statOf(pid: number): { readonly startTicks: number; readonly ends: boolean } | null {
  const text = lineOf(`/proc/${pid}/stat`);
  // Behind the name, which may have any characters.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const startTicks = Number(fields[19]);
  if (text === "" || !Number.isSafeInteger(startTicks)) return null;
  return { startTicks, ends: (Number(fields[6]) & exiting) !== 0 };
}

/**
 * The same for this machine after it was started again. The machine-id alone is not enough: machines
 * that were copied from one image have the same, but neither names nor network cards.
 */
function machineId(): string {
  const id = lineOf("/etc/machine-id");
  if (id === "") return "";
  const cards = existsSync("/sys/class/net") ? readdirSync("/sys/class/net") : [];
  const addresses = cards
    .filter((card) => existsSync(`/sys/class/net/${card}/device`))
    .map((card) => lineOf(`/sys/class/net/${card}/address`));
  const facts = [id, hostname(), ...addresses.sort()];
  return createHash("sha256").update(facts.join("\n")).digest("hex").slice(0, 32);
}

function lineOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
