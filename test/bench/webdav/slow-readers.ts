import { closeSocket, connectTo, Memory, narrow, readSome, writeAll } from "../blocking-socket.ts";
import type { ServedFile } from "./load.ts";

const readers = 200;
const turns = 20;
const pauseMs = 50;
const timeoutSeconds = 10;
const bytesPerTurn = 8 * 1024;

/** Clients that ask for all of a file and take little of it, for about two seconds. */
export async function readSlowly({ port, path }: ServedFile): Promise<void> {
  const request = new TextEncoder().encode(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  );
  const memory = new Memory(bytesPerTurn);
  const sockets: number[] = [];
  try {
    for (let count = 0; count < readers; count += 1) {
      const fd = connectTo("127.0.0.1", port);
      sockets.push(fd);
      narrow(fd, 64 * 1024, timeoutSeconds);
      memory.bytes.set(request);
      writeAll(fd, memory, 0, request.length);
    }
    for (let turn = 0; turn < turns; turn += 1) {
      for (const fd of sockets) {
        if (readSome(fd, memory, 0, bytesPerTurn) === 0)
          throw new Error("a slow reader was cut off");
      }
      await Bun.sleep(pauseMs);
    }
  } finally {
    for (const fd of sockets) closeSocket(fd);
  }
}
