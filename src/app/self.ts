import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Holder } from "../cluster/attach-record.ts";

/** Who attaches in the name of a process: another one for every call. */
export function newHolder(pid: number = process.pid): Holder {
  return {
    instance: randomUUID(),
    host: hostname(),
    machine: machineId(),
    bootId: lineOf("/proc/sys/kernel/random/boot_id"),
    pidNamespace: linkOf("/proc/self/ns/pid"),
    pid,
    startTicks: startTicksOf(pid) ?? 0,
  };
}

/**
 * Whether a holder is known to have ended: its process is no longer there, or its machine, which is
 * this one, was started again. Never true for one that might run, such as that of another machine.
 */
export function isGone(holder: Holder): boolean {
  const bootId = lineOf("/proc/sys/kernel/random/boot_id");
  if (holder.bootId === "" || bootId === "") return false;
  if (holder.bootId !== bootId) return holder.machine !== "" && holder.machine === machineId();
  // The numbers of another container's processes mean nothing here.
  if (holder.pidNamespace === "" || holder.pidNamespace !== linkOf("/proc/self/ns/pid"))
    return false;
  return !runs(holder);
}

function runs({ pid, startTicks }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ESRCH") return false;
  }
  // It may be there and not ours to look at.
  const ticks = startTicksOf(pid);
  return ticks === null || ticks === startTicks;
}

/** When the process began; null when that cannot be seen. */
function startTicksOf(pid: number): number | null {
  const text = lineOf(`/proc/${pid}/stat`);
  const ticks = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
  return text === "" || !Number.isSafeInteger(ticks) ? null : ticks;
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
