import { expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import type { AcceptedSocket } from "../../../src/sys/tcp-listener.ts";
import { listenTls } from "../../../src/sys/tls-listener.ts";
import { makeCertificate } from "../../serve/certificate.ts";
import { TemporaryFolder } from "../../support/process.ts";

/** Sockets that this process has open. */
function sockets(): number {
  const isSocket = (fd: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  };
  return readdirSync("/proc/self/fd").filter(isSocket).length;
}

test("a client that takes nothing has no connection any more once that was ended", async () => {
  using folder = new TemporaryFolder();
  const [cert, key] = [join(folder.path, "cert"), join(folder.path, "key")];
  await makeCertificate(cert, key);
  const asked = Promise.withResolvers<AcceptedSocket>();
  const listener = listenTls({
    ...{ host: "127.0.0.1", port: 0 },
    cert: readFileSync(cert, "utf8"),
    key: readFileSync(key, "utf8"),
    accept: (socket) => ({
      readable: () => asked.resolve(socket),
      writable: () => {},
      close: () => {},
    }),
  });
  // Nothing listens to its data, so that it takes none.
  const client = connect({ host: "127.0.0.1", port: listener.port, rejectUnauthorized: false });
  client.on("error", () => {});
  client.pause();
  client.write("x");
  try {
    const socket = await asked.promise;
    const bytes = new Uint8Array(1 << 20);
    while (socket.write(bytes, 0, bytes.length, null, 0, 0) === bytes.length);
    const before = sockets();
    socket.destroy();
    while (sockets() >= before) await Bun.sleep(5);
    expect(sockets()).toBe(before - 1);
  } finally {
    client.destroy();
    listener.close();
  }
});
