import type { Unsubscribe } from "../base/scope.ts";
import type { TreeEvents } from "../tree/node.ts";
import { NotifyInvalInode, notifyCode, OutHeader } from "./abi.ts";
import type { MessageOwner } from "./message.ts";
import type { NodeTable } from "./nodes.ts";

const notificationBytes = OutHeader.size + NotifyInvalInode.size;

/**
 * Tells the kernel which attributes it must ask for again.
 *
 * Only this one notification is safe from the thread that answers requests. That a name came or
 * went would need the lock of its directory, and that pages are stale the lock of each page: a
 * process that holds one may be waiting for our answer. Hence names are never cached (see
 * writeEntry), and cached pages go when the new attributes show another size or time.
 */
export function notifyKernel(
  events: TreeEvents,
  nodes: NodeTable,
  kernel: Pick<MessageOwner, "send">,
): Unsubscribe {
  const storage = new ArrayBuffer(4096);
  const bytes = new Uint8Array(storage);
  const view = new DataView(storage);
  return events.on((event) => {
    const nodeId = nodes.nodeIdOf(event.id);
    if (nodeId === null) return;
    OutHeader.write(view, 0, {
      len: notificationBytes,
      error: notifyCode.invalInode,
      uniqueLow: 0,
      uniqueHigh: 0,
    });
    // A negative offset means: no pages.
    NotifyInvalInode.write(view, OutHeader.size, {
      nodeId,
      offsetLow: 0xffff_ffff,
      offsetHigh: 0xffff_ffff,
      lengthLow: 0,
      lengthHigh: 0,
    });
    kernel.send(bytes, 0, notificationBytes, null, 0, 0);
  });
}

/**
 * Lets the kernel put in front of its queue what was read and not answered: by a predecessor, as
 * long as nothing was read here.
 */
export function askResend(kernel: Pick<MessageOwner, "send">): void {
  const bytes = new Uint8Array(new ArrayBuffer(4096));
  OutHeader.write(new DataView(bytes.buffer), 0, {
    len: OutHeader.size,
    error: notifyCode.resend,
    uniqueLow: 0,
    uniqueHigh: 0,
  });
  kernel.send(bytes, 0, OutHeader.size, null, 0, 0);
}
