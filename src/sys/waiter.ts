// The thread that waits when there is nothing to do. It never reads an event: the set is level
// triggered, so whatever ended its wait is still there when the event loop asks.
import { dlopen, ptr } from "bun:ffi";
import { sleepWord, type WaiterReport, type WaiterTask } from "./sleep-word.ts";

declare const self: Worker;

const libc = dlopen("libc.so.6", {
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
}).symbols;
const event = new Uint8Array(new ArrayBuffer(64));

function waitUntilEnd({ setFd, words }: WaiterTask): void {
  const eventAt = ptr(event);
  report("begun");
  for (;;) {
    Atomics.wait(words, 0, sleepWord.rest);
    if (Atomics.load(words, 0) === sleepWord.end) return;
    libc.epoll_wait(setFd, eventAt, 1, -1);
    const before = Atomics.compareExchange(words, 0, sleepWord.watch, sleepWord.rest);
    if (before === sleepWord.end) return;
    report("ready");
  }
}

function report(what: WaiterReport): void {
  self.postMessage(what);
}

self.onmessage = ({ data }: MessageEvent<WaiterTask>) => {
  waitUntilEnd(data);
  process.exit(0);
};
