import type { Node } from "../tree/node.ts";
import { XattrSizeIn, XattrSizeOut } from "./abi.ts";
import { errno } from "./errno.ts";
import { type Message, replyBodyAt } from "./message.ts";
import { nameAt } from "./names.ts";
import type { Handler } from "./ops.ts";

const prefix = "user.sheepfs.";
const encoder = new TextEncoder();

/** What is known of a file beyond its attributes, as `user.sheepfs.NAME`; none can be set. */
export const xattrHandlers = {
  GETXATTR: (message, context) => {
    const name = nameAt(message, XattrSizeIn.size);
    const key = name?.startsWith(prefix) === true ? name.slice(prefix.length) : null;
    const value = key === null ? undefined : detailsOf(context.nodes.get(message.nodeId)).get(key);
    if (value === undefined) message.fail(errno.ENODATA);
    else replySized(message, encoder.encode(value));
  },

  LISTXATTR: (message, context) => {
    const names = [...detailsOf(context.nodes.get(message.nodeId)).keys()];
    replySized(message, encoder.encode(names.map((name) => `${prefix}${name}\0`).join("")));
  },
} satisfies Record<string, Handler>;

function detailsOf(node: Node): ReadonlyMap<string, string> {
  return node.kind === "file" ? (node.details?.() ?? new Map()) : new Map<string, string>();
}

/** The bytes, or how many they are when that is what is asked. */
function replySized(message: Message, bytes: Uint8Array): void {
  const size = message.u32(XattrSizeIn.offsets.size);
  if (size === 0) {
    XattrSizeOut.write(message.view, replyBodyAt, { size: bytes.length });
    message.reply(XattrSizeOut.size);
  } else if (size < bytes.length) {
    message.fail(errno.ERANGE);
  } else {
    message.buffer.set(bytes, replyBodyAt);
    message.reply(bytes.length);
  }
}
