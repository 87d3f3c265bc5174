// One client that costs little: whole files read or written, or ranges written, one request after
// the other on one connection.
// `stream-program.ts get|put|put-ranges PORT PATH BYTES SPAN SECONDS`; prints requests per second.
import { connectTo, Memory, readSome, writeAll } from "../blocking-socket.ts";

const MiB = 1 << 20;

const [kind = "", port = "", path = "", ...numbers] = process.argv.slice(2);
const [bytes = 0, spanBytes = 0, seconds = 0] = numbers.map(Number);
const host = `127.0.0.1:${port}`;
const memory = new Memory(MiB);
const out = new Memory(MiB + 4096);
const decoder = new TextDecoder("latin1");
const fd = connectTo("127.0.0.1", Number(port));

/** Reads one answer and forgets its body. */
function readAnswer(wanted: number): void {
  let have = 0;
  let end = -1;
  while (end < 0) {
    have += readSomething(have);
    end = decoder.decode(memory.bytes.subarray(0, Math.min(have, 8192))).indexOf("\r\n\r\n");
    if (end < 0 && have > 8192) throw new Error("the answer has no head");
  }
  const head = decoder.decode(memory.bytes.subarray(0, end));
  const status = Number(head.slice(9, 12));
  if (wanted === 0 ? status < 200 || status > 204 : status !== 200) throw new Error(head);
  const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
  if (wanted > 0 && length !== wanted) throw new Error(`${length} bytes instead of ${wanted}`);
  for (let left = length - (have - end - 4); left > 0; ) left -= readSomething(0);
}

function readSomething(at: number): number {
  const count = readSome(fd, memory, at, memory.bytes.length - at);
  if (count === 0) throw new Error("the server closed the connection");
  return count;
}

function send(fields: string, bodyBytes: number): void {
  const head = new TextEncoder().encode(`${fields}\r\nHost: ${host}\r\n\r\n`);
  out.bytes.set(head);
  const first = Math.min(bodyBytes, MiB);
  let sent = writeAll(fd, out, 0, head.length + first);
  for (let left = bodyBytes - first; left > 0 && sent; left -= MiB) {
    sent = writeAll(fd, out, head.length, Math.min(left, MiB));
  }
  if (!sent) throw new Error("the server closed the connection");
}

function once(): void {
  if (kind === "get") {
    send(`GET ${path} HTTP/1.1`, 0);
    readAnswer(bytes);
    return;
  }
  const length = `PUT ${path} HTTP/1.1\r\nContent-Length: ${bytes}`;
  const from = Math.floor(Math.random() * (spanBytes / bytes)) * bytes;
  const range = `\r\nContent-Range: bytes ${from}-${from + bytes - 1}/${spanBytes}`;
  send(kind === "put" ? length : length + range, bytes);
  readAnswer(0);
}

const startedMs = performance.now();
let count = 0;
let passedMs = 0;
do {
  once();
  count += 1;
  passedMs = performance.now() - startedMs;
} while (passedMs < seconds * 1000);
console.log((count * 1000) / passedMs);
process.exit(0);
