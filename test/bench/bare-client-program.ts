// The least that a client can do: requests of one size on one connection, a number of them always
// under way. A plain one sends a request for each reply it has read; a gathering one reads all that
// is there and sends as many requests in one go. `bare-client-program.ts '{…}'` with a BareRun;
// prints a BareResult.
import { seededRandom } from "../../src/base/random.ts";
import { headerBytes, ObjectRequestHeader, ReplyHeader } from "../../src/wire/header.ts";
import { opcodes } from "../../src/wire/opcode.ts";
import type { BareResult, BareRun } from "./bare.ts";
import { connectTo, Memory, readAll, readSome, writeAll } from "./blocking-socket.ts";

const { offsets } = ObjectRequestHeader;
const run: BareRun = JSON.parse(process.argv[2] ?? "{}");
const fd = connectTo(run.host, run.port);
const writes = run.direction === "write";
const requestBytes = headerBytes + (writes ? run.bytes : 0);
const out = new Memory(requestBytes * run.depth);
const received = new Memory(Math.max(2 << 20, headerBytes + run.bytes));
const random = seededRandom(1);
const blocks = Math.floor(run.spanBytes / run.bytes);
/** Not counted, as with fio. */
const rampMs = 300;
let next = 0;
let id = 0;

/** Writes the header of the next request into a place of the send buffer. */
function prepare(at: number): void {
  const block = run.random ? random.below(blocks) : next % blocks;
  next += 1;
  id += 1;
  const offset = block * run.bytes;
  const { code, version } = writes ? opcodes.writeObject : opcodes.readObject;
  out.view.setUint8(at + offsets.version, version);
  out.view.setUint8(at + offsets.opcode, code);
  out.view.setUint16(at + offsets.flags, writes ? 1 : 0, true);
  out.view.setUint32(at + offsets.id, id, true);
  out.view.setUint32(at + offsets.dataLength, run.bytes, true);
  out.view.setUint32(at + offsets.oidLow, Math.floor(offset / run.objectBytes), true);
  out.view.setUint32(at + offsets.oidHigh, run.vid, true);
  out.view.setUint32(at + offsets.offset, offset % run.objectBytes, true);
}

function send(count: number): void {
  for (let index = 0; index < count; index += 1) prepare(index * requestBytes);
  if (!writeAll(fd, out, 0, count * requestBytes)) throw new Error("the sheep went away");
}

/** Length of the payload behind the reply header at `at`. */
function payloadOf(at: number): number {
  const result = received.view.getUint32(at + ReplyHeader.offsets.result, true);
  if (result !== 0) throw new Error(`result 0x${result.toString(16)}`);
  return received.view.getUint32(at + ReplyHeader.offsets.dataLength, true);
}

function receiveOne(): number {
  readAll(fd, received, 0, headerBytes);
  readAll(fd, received, headerBytes, payloadOf(0));
  return 1;
}

/** Bytes of a payload that are still to come. */
let skip = 0;
let held = 0;

/** Reads what is there. @returns how many replies ended */
function receiveAll(): number {
  const count = readSome(fd, received, held, received.bytes.length - held);
  if (count === 0) throw new Error("the sheep went away");
  let at = 0;
  let ended = 0;
  held += count;
  for (;;) {
    const skipped = Math.min(skip, held - at);
    at += skipped;
    if (skip > 0 && skipped === skip) ended += 1;
    skip -= skipped;
    if (skip > 0 || held - at < headerBytes) break;
    skip = payloadOf(at);
    at += headerBytes;
    if (skip === 0) ended += 1;
  }
  received.bytes.copyWithin(0, at, held);
  held -= at;
  return ended;
}

/** Keeps requests under way for so long. @returns how many replies ended */
function exchange(ms: number): number {
  const endMs = performance.now() + ms;
  let done = 0;
  while (performance.now() < endMs) {
    const ended = run.gathers ? receiveAll() : receiveOne();
    done += ended;
    if (ended > 0) send(ended);
  }
  return done;
}

send(run.depth);
exchange(rampMs);
const startedMs = performance.now();
const done = exchange(run.seconds * 1000);
const perSecond = (done * 1000) / (performance.now() - startedMs);
const result: BareResult = { perSecond };
console.log(JSON.stringify(result));
process.exit(0);
