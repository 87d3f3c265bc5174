import { hrefOf } from "../paths.ts";
import { escapeText, writeElement } from "../xml/write.ts";
import type { Lock } from "./locks.ts";

/** What can be locked, and how (RFC 4918 §15.10). */
export const supportedLock = ["exclusive", "shared"]
  .map(
    (scope) =>
      `<D:lockentry><D:lockscope><D:${scope}/></D:lockscope>` +
      `<D:locktype><D:write/></D:locktype></D:lockentry>`,
  )
  .join("");

/** One lock as `lockdiscovery` tells it (RFC 4918 §14.1); with the time that it still has. */
export function writeLock(lock: Lock, basePath: string, nowMs: number): string {
  const left = Math.max(0, Math.ceil((lock.expiresMs - nowMs) / 1000));
  return [
    "<D:activelock>",
    "<D:locktype><D:write/></D:locktype>",
    `<D:lockscope><D:${lock.exclusive ? "exclusive" : "shared"}/></D:lockscope>`,
    `<D:depth>${lock.deep ? "infinity" : "0"}</D:depth>`,
    lock.owner === null ? "" : writeElement(lock.owner),
    `<D:timeout>Second-${left}</D:timeout>`,
    `<D:locktoken><D:href>${escapeText(lock.token)}</D:href></D:locktoken>`,
    `<D:lockroot><D:href>${escapeText(hrefOf(basePath, lock.path, lock.kind))}</D:href></D:lockroot>`,
    "</D:activelock>",
  ].join("");
}
