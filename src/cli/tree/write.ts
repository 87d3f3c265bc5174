import { fstatSync } from "node:fs";
import type { Progress } from "../../base/progress.ts";
import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { parseOffset } from "../parse.ts";
import { progressBar } from "../progress.ts";
import { gatewaysOf, sheep } from "../vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/tree.ts");

export const write: Command = {
  meta: { name: "sheepfs write", description: "Write stdin to a file of the tree" },
  args: {
    path: { type: "positional", description: "as in a mount", required: true },
    offset: {
      type: "string",
      valueHint: "BYTES",
      description: "where in a volume it begins; bytes, or with K, M, G or T",
      default: "0",
    },
    sheep,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs write volume/test --offset 1M < part
      writes 'part' into the VDI from its second MiB on; durable when it returns`,
  run: async (values) => {
    const place = { gateways: gatewaysOf(values), path: values.required("path") };
    const offset = parseOffset(values.required("offset"), "--offset");
    const bar = progressBar("write");
    using interruption = new Interruption();
    try {
      const input = told(interruptible(Bun.stdin.stream(), interruption), bar.tell);
      await (await verbs()).writePath(place, input, offset);
    } finally {
      bar.end();
    }
  },
};

/** What comes may come late, or never. */
async function* interruptible(
  from: AsyncIterable<Uint8Array>,
  interruption: Interruption,
): AsyncGenerator<Uint8Array> {
  const pieces = from[Symbol.asyncIterator]();
  for (;;) {
    const next = await interruption.wait(pieces.next());
    if (next.done === true) return;
    yield next.value;
  }
}

/** Tells how far it is when stdin is a file: of nothing else it is known how much comes. */
async function* told(
  from: AsyncIterable<Uint8Array>,
  tell: (progress: Progress) => void,
): AsyncGenerator<Uint8Array> {
  const stdin = fstatSync(0);
  let doneBytes = 0;
  for await (const piece of from) {
    yield piece;
    doneBytes += piece.length;
    if (stdin.isFile()) tell({ doneBytes, totalBytes: stdin.size });
  }
}
