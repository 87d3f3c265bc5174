import { formatAddress, parseAddress } from "../base/address.ts";
import type { Command } from "./command.ts";
import { logSettings } from "./log-settings.ts";
import { printOutput } from "./output.ts";
import { parseCount, usage } from "./parse.ts";

export const sheepCommand: Command = {
  meta: {
    name: "sheepfs sheep",
    description: "Run a sheep: a cluster of one node, on a directory",
  },
  args: {
    dir: {
      type: "string",
      valueHint: "DIR",
      description: "where its data is; made and formatted at the first start",
      required: true,
    },
    listen: {
      type: "string",
      valueHint: "HOST:PORT",
      description: "where it listens; port 0 takes a free one",
      default: "127.0.0.1:7000",
    },
    copies: {
      type: "string",
      valueHint: "N",
      description: "copies that the cluster is formatted with",
      default: "1",
    },
  },
  repeatable: [],
  examples: `  sheepfs sheep --dir /var/lib/sheepfs
      keeps the cluster in that directory and prints its address; Ctrl-C ends it in order`,
  run: async (values) => {
    const { level } = logSettings(null, process.env["SHEEPFS_LOG"]);
    const wish = {
      dir: values.required("dir"),
      listen: listenAddress(values.required("listen")),
      copies: parseCount(values.required("copies"), "--copies", { min: 1, max: 31 }),
    };
    const { openLogger, stderrSink } = await import("./logger.ts");
    const { runSheep } = await import("../app/sheep.ts");
    await runSheep(wish, openLogger(level, stderrSink), async (address) =>
      printOutput(`listening on ${formatAddress(address)}\n`),
    );
  },
};

/** An address whose port may be 0. */
function listenAddress(text: string) {
  const any = /^(.*):0$/.exec(text)?.[1];
  if (any === undefined) return usage("--listen", () => parseAddress(text));
  return { ...usage("--listen", () => parseAddress(`${any}:1`)), port: 0 };
}
