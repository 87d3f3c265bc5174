// Reads 4 KiB of a file again and again, past every cache, until SIGTERM. Prints "reading"
// when it has begun, and at the end the longest time that one read took, in milliseconds.
import { constants, openSync, readSync } from "node:fs";

const file = openSync(process.argv[2] ?? "", constants.O_RDONLY | constants.O_DIRECT);
const buffer = Buffer.alloc(4096);
let ended = false;
process.on("SIGTERM", () => {
  ended = true;
});
let longestMs = 0;
let count = 0;
while (!ended) {
  const began = performance.now();
  readSync(file, buffer, 0, 4096, (count % 16) * 4096);
  longestMs = Math.max(longestMs, performance.now() - began);
  count += 1;
  if (count === 10) console.log("reading");
  await Bun.sleep(5);
}
console.log(`longest ${Math.round(longestMs)} ms of ${count}`);
