// A process with a reactor that should end by itself.
import { readSync, writeSync } from "node:fs";
import { Reactor } from "../../../src/sys/reactor.ts";
import { socketPair } from "../../../src/sys/sockets.ts";

const mode = process.argv[2];
const reactor = new Reactor();
const pair = socketPair();
if (pair === null) throw new Error("no sockets");
const [mine, other] = pair;
const read = Promise.withResolvers<void>();
const watch = reactor.watch(mine, {
  readable: () => {
    readSync(mine, new Uint8Array(1));
    console.log("readable");
    read.resolve();
  },
  writable: () => {},
});
watch.want(true, false);
if (mode === "throws") {
  process.on("uncaughtException", (error) => console.log(`uncaught: ${error.message}`));
  reactor.flushSoon({
    flush: () => {
      throw new Error("a bug");
    },
  });
  writeSync(other, "x");
  await read.promise;
}
await new Promise((resolve) => {
  setTimeout(resolve, mode === "asleep" ? 100 : 1);
});
watch.end();
if (mode !== "unwatched") reactor.close();
console.log("done");
