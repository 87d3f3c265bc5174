import { dlopen, FFIType, ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
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

/** The name in the certificate that a listener shows. */
async function shownName(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on("secureConnect", resolve);
      socket.on("error", reject);
    });
    const { subject } = new X509Certificate(socket.getPeerCertificate(true).raw);
    return /CN=(.*)/.exec(subject)?.[1] ?? "";
  } finally {
    socket.destroy();
  }
}

const { symbols } = dlopen("libc.so.6", {
  getrlimit: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  setrlimit: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});
const openFiles = 7;

/** With no file descriptor to be had for as long as it takes. */
function withoutDescriptors(work: () => void): void {
  const before = new BigUint64Array(2);
  expect(symbols.getrlimit(openFiles, ptr(before))).toBe(0);
  const none = new BigUint64Array([1n, before[1] ?? 0n]);
  expect(symbols.setrlimit(openFiles, ptr(none))).toBe(0);
  try {
    work();
  } finally {
    symbols.setrlimit(openFiles, ptr(before));
  }
}

test("another certificate is shown from one connection to the next, or the old one goes on", async () => {
  using folder = new TemporaryFolder();
  const pair = async (name: string) => {
    const [cert, key] = [join(folder.path, `${name}.crt`), join(folder.path, `${name}.key`)];
    await makeCertificate(cert, key, name);
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  };
  const [first, second, third] = [await pair("first"), await pair("second"), await pair("third")];
  const accept = () => ({ readable: () => {}, writable: () => {}, close: () => {} });
  const listener = listenTls({ host: "127.0.0.1", port: 0, ...first, accept });
  try {
    expect(await shownName(listener.port)).toBe("first");
    for (const { cert, key } of [second, third]) listener.renew(cert, key);
    expect(await shownName(listener.port)).toBe("third");
    expect(() => withoutDescriptors(() => listener.renew(first.cert, first.key))).toThrow("listen");
    expect(await shownName(listener.port)).toBe("third");
    listener.renew(second.cert, second.key);
    expect(await shownName(listener.port)).toBe("second");
    // Nobody else comes to have the port beside it.
    expect(() => listenTls({ host: "127.0.0.1", port: listener.port, ...first, accept })).toThrow();
  } finally {
    listener.close();
  }
});
