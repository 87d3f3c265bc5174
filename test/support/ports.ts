import { createServer } from "node:net";

/** A port of the loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0);
  if (port === null) throw new Error("no port is free");
  return port;
}

/** One with four digits, for programs that cannot take longer ones. */
export async function freeShortPort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = await tryPort(7_100 + Math.floor(Math.random() * 2_800));
    if (port !== null) return port;
  }
  throw new Error("no port of four digits is free");
}

async function tryPort(wanted: number): Promise<number | null> {
  const server = createServer();
  const listening = await new Promise<boolean>((resolve) => {
    server.on("error", () => resolve(false));
    server.listen(wanted, "127.0.0.1", () => resolve(true));
  });
  if (!listening) return null;
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address === null || typeof address === "string" ? null : address.port;
}
