import { limits } from "../../base/limits.ts";

/**
 * For how many seconds a client wants its lock: the first of its wishes that is understood, within
 * our bounds (RFC 4918 §10.7); null when it has none.
 */
export function parseTimeout(field: string | null): number | null {
  for (const wish of field?.split(",") ?? []) {
    const text = wish.trim().toLowerCase();
    if (text === "infinite") return limits.davLockSecondsMax;
    const digits = /^second-(\d{1,20})$/.exec(text)?.[1];
    if (digits === undefined) continue;
    const { davLockSecondsMin, davLockSecondsMax } = limits;
    return Math.min(davLockSecondsMax, Math.max(davLockSecondsMin, Number(digits)));
  }
  return null;
}
