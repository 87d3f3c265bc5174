import type { LockJson } from "../../app/verbs/locks.ts";

/** Lines for people: who has attached a VDI, and who has its lock in the cluster. */
export function lockText({ name, vid, attachedBy, lock }: LockJson): string {
  return `VDI '${name}' (vid ${vid})\n  attached: ${attachedText(attachedBy)}\n  lock: ${ownerText(lock)}\n`;
}

function attachedText(by: LockJson["attachedBy"]): string {
  if (by === null) return "by no sheepfs for writing";
  if (by.byHand !== null)
    return `locked by hand on host '${by.host}' since ${by.since}: ${by.byHand}`;
  if (by.host === null) return "by a client whose record cannot be understood";
  const state = by.gone ? ", which is gone" : "";
  const broken = by.brokenBy === null ? "" : `, just being taken away by ${by.brokenBy}`;
  return `by sheepfs on host '${by.host}' (process ${by.pid}, since ${by.since})${state}${broken}`;
}

function ownerText(lock: LockJson["lock"]): string {
  if (lock === null) return "the cluster has none: virtual machines are not kept out";
  if (!lock.held) return "not held";
  return `held by a client of ${lock.gateways.join(", ")}`;
}
