// Uses one block of a file again and again and prints every wait that is longer than all before:
// `pause-child.ts FILE OFFSET read|write`. What is read is held against what was written. The line
// `count N` comes about ten times a second.
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";

const [path = "", offsetText = "0", what] = process.argv.slice(2);
const offset = Number(offsetText);
const blockBytes = 4096;
const idleMs = 5;

let over = false;
process.on("SIGTERM", () => {
  over = true;
});

const fd = openSync(path, constants.O_RDWR | constants.O_DIRECT);
const written = new Uint8Array(new ArrayBuffer(blockBytes));
const found = new Uint8Array(new ArrayBuffer(blockBytes));
let longestMs = 0;
let saidMs = 0;

function write(round: number): void {
  written.fill(round % 251);
  new DataView(written.buffer).setUint32(0, round);
  const count = writeSync(fd, written, 0, blockBytes, offset);
  if (count !== blockBytes) throw new Error(`a write of ${blockBytes} bytes took ${count}`);
}

function read(): void {
  const count = readSync(fd, found, 0, blockBytes, offset);
  if (count !== blockBytes) throw new Error(`a read of ${blockBytes} bytes gave ${count}`);
  if (Buffer.compare(found, written) !== 0) throw new Error("a block was read as another");
}

write(0);
read();
for (let round = 1; !over; round += 1) {
  const startedMs = performance.now();
  if (what === "read") read();
  else write(round);
  const nowMs = performance.now();
  if (nowMs - startedMs > longestMs) {
    longestMs = nowMs - startedMs;
    console.log(`longest ${longestMs.toFixed(0)}`);
  }
  if (nowMs - saidMs > 100) {
    saidMs = nowMs;
    console.log(`count ${round}`);
  }
  await Bun.sleep(idleMs);
}
read();
closeSync(fd);
