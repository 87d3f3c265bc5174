import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/base/random.ts";
import { eventually } from "../conformance/driver.ts";
import { MiB, pattern, readAt } from "../mount/bytes.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { firstText, propfind } from "../support/dav.ts";
import { RawConnection, requestHead } from "../support/raw-http.ts";
import { startServe, type TestServer } from "../support/serve.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

async function contentOf(server: TestServer, name: string): Promise<Buffer> {
  const answer = await fetch(server.at("volume", name));
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

/** Waits until nothing is under way on the volume: only then it can be detached. */
async function settled(server: TestServer, name: string): Promise<void> {
  const endMs = performance.now() + 15_000;
  for (;;) {
    const wish = { method: "PUT", body: `${name}\n` };
    const { status } = await fetch(server.at("vdi", "unmount"), wish);
    if (status === 204) break;
    if (performance.now() > endMs) throw new Error(`${name} stays busy: ${status}`);
    await Bun.sleep(10);
  }
  await server.attach(name);
}

/** How many bytes of `newer` are there from `offset` on, in order; the rest must be `older`'s. */
function prefixLength(found: Buffer, older: Buffer, newer: Buffer, offset: number): number {
  let length = 0;
  while (length < newer.length && found[offset + length] === newer[length]) length += 1;
  // Where both have the same byte nothing can be told: what matters is that some cut explains all.
  const expected = Buffer.from(older);
  newer.copy(expected, offset, 0, length);
  if (found.equals(expected)) return length;
  let wrong = 0;
  while (found[wrong] === expected[wrong]) wrong += 1;
  throw new Error(`no prefix: ${length} bytes are new, but byte ${wrong} is neither`);
}

// A connection that dies mid-body has written a prefix, in order, never anything else.
describe("an upload whose connection dies has written a prefix", () => {
  for (const form of ["plain", "chunked", "range"] as const) {
    test(`${form} (SEED=${seed})`, async () => {
      const random = seededRandom(seed);
      await using cluster = await startCluster();
      const vdi = await cluster.createVdi("cut", { size: "8M", objectSize: "1M" });
      await using server = await startServe(cluster, { args: ["--attach", vdi] });
      let older: Buffer = Buffer.alloc(8 * MiB);
      for (let round = 0; round < 12; round += 1) {
        const offset = form === "range" ? random.below(4 * MiB) : 0;
        const length = 8 * MiB - offset - random.below(3 * MiB);
        const newer = pattern(length, 1 + round);
        const sent = random.below(length);
        {
          using connection = await RawConnection.open(server.port);
          await connection.deliver(headOf(form, vdi, offset, length));
          for (let at = 0; at < sent; ) {
            const piece = Math.min(sent - at, 1 + random.below(200_000));
            const bytes = newer.subarray(at, at + piece);
            const framed = form === "chunked" ? `${piece.toString(16)}\r\n` : "";
            await connection.deliver(Buffer.concat([Buffer.from(framed), bytes]));
            if (form === "chunked") await connection.deliver("\r\n");
            at += piece;
          }
          if (round % 3 === 0) connection.reset();
          else if (round % 3 === 1) connection.socket.end();
        }
        await settled(server, vdi);
        const found = await contentOf(server, vdi);
        const written = prefixLength(found, older, newer, offset);
        expect(written).toBeLessThanOrEqual(sent + 64);
        older = found;
      }
    }, 60_000);
  }

  function headOf(form: string, vdi: string, offset: number, length: number): string {
    const line = `PUT /volume/${vdi}`;
    if (form === "chunked") return requestHead(line, { "Transfer-Encoding": "chunked" });
    const range = { "Content-Range": `bytes ${offset}-${offset + length - 1}/*` };
    return requestHead(line, { "Content-Length": length, ...(form === "range" ? range : {}) });
  }
});

/** Pieces of 256 KiB, written one after the other from an offset on. */
class Upload {
  /** How many were acknowledged. */
  acknowledged = 0;
  readonly ended: Promise<void>;

  constructor(port: number, vdi: string, offset: number) {
    this.ended = this.#run(port, vdi, offset);
  }

  async #run(port: number, vdi: string, offset: number): Promise<void> {
    using connection = await RawConnection.open(port);
    try {
      for (let index = 0; index < 64; index += 1) {
        const from = offset + index * 262_144;
        const range = { "Content-Range": `bytes ${from}-${from + 262_143}/*` };
        const bytes = piece(offset, index);
        const { status } = await connection.ask(`PUT /volume/${vdi}`, range, bytes);
        if (status !== 204) break;
        this.acknowledged += 1;
      }
    } catch {
      // The server has gone away: what it acknowledged before is what counts.
    }
  }
}

function piece(offset: number, index: number): Buffer {
  return pattern(262_144, 1 + index + offset / MiB);
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`${signal} in the middle of uploads: what was acknowledged is there`, async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("end", { size: "256M" });
    const offsets = Array.from({ length: 8 }, (_, index) => index * 16 * MiB);
    let uploads: Upload[];
    {
      await using server = await startServe(cluster, { args: ["--attach", vdi] });
      uploads = offsets.map((offset) => new Upload(server.port, vdi, offset));
      await eventually("each upload has begun", async () =>
        uploads.every(({ acknowledged }) => acknowledged >= 3),
      );
      server.child.kill(signal);
      const exitCode = await server.child.exit();
      expect(exitCode).toBe(signal === "SIGTERM" ? 0 : 137);
    }
    await Promise.all(uploads.map(({ ended }) => ended));
    const acknowledged = uploads.map((upload) => upload.acknowledged);
    console.log(`measured: ${signal}: pieces of 256 KiB acknowledged before: ${acknowledged}`);
    expect(Math.max(...acknowledged)).toBeLessThan(64);
    await using server = await startServe(cluster, { args: ["--attach", vdi], mount: true });
    for (const [lane, offset] of offsets.entries()) {
      for (let index = 0; index < (acknowledged[lane] ?? 0); index += 1) {
        const found = readAt(server.file("volume", vdi), offset + index * 262_144, 262_144);
        expect([offset, index, found.equals(piece(offset, index))]).toEqual([offset, index, true]);
      }
    }
  }, 90_000);
}

test("SIGTERM lets a request that is under way end, and takes no new one", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("drain", { size: "8M" });
  await using server = await startServe(cluster, { args: ["--attach", vdi] });
  using upload = await RawConnection.open(server.port);
  using idle = await RawConnection.open(server.port);
  expect((await idle.ask("OPTIONS /")).status).toBe(200);
  await upload.deliver(requestHead(`PUT /volume/${vdi}`, { "Content-Length": 10_000 }));
  await upload.deliver("a".repeat(5_000));
  for (let found = ""; found !== "a"; ) {
    const range = { headers: { Range: "bytes=0-0" } };
    found = await (await fetch(server.at("volume", vdi), range)).text();
  }
  server.child.kill("SIGTERM");
  await idle.end();
  expect(await RawConnection.open(server.port).catch(() => null)).toBeNull();
  upload.send("b".repeat(5_000));
  const answer = await upload.answer();
  expect(answer?.status).toBe(204);
  expect(answer?.headers.get("connection")).toBe("close");
  expect(await server.child.exit()).toBe(0);
}, 60_000);

async function allocatedBytes(server: TestServer, name: string): Promise<number> {
  const wish = { method: "PROPFIND", headers: { Depth: "0" }, body: propfind("quota-used-bytes") };
  const xml = await (await fetch(server.at("volume", name), wish)).text();
  return Number(firstText(xml, "quota-used-bytes") ?? Number.NaN);
}

async function bigVolume(cluster: TestCluster): Promise<string> {
  return await cluster.createVdi("tera", { size: "1T", objectSize: "4M" });
}

// PUT+Content-Range of 1 MiB anywhere in a 1 TiB volume changes that 1 MiB alone.
test(`1 MiB anywhere in 1 TiB changes that 1 MiB alone (SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  await using cluster = await startCluster();
  const vdi = await bigVolume(cluster);
  await using server = await startServe(cluster, { args: ["--attach", vdi], mount: true });
  const objects = new Set<number>();
  const tera = 2 ** 40;
  const places = [0, tera - MiB, 2 ** 32 - 512 * 1024, 2 ** 39 + 12_345];
  for (let count = 0; count < 6; count += 1)
    places.push(random.below(2 ** 20 - 2) * MiB + random.below(MiB));
  for (const [index, from] of places.entries()) {
    const bytes = pattern(MiB, 1 + index);
    const headers = { "Content-Range": `bytes ${from}-${from + MiB - 1}/${tera}` };
    const body = Uint8Array.from(bytes);
    const put = await fetch(server.at("volume", vdi), { method: "PUT", headers, body });
    expect([from, put.status]).toEqual([from, 204]);
    for (
      let at = Math.floor(from / (4 * MiB));
      at <= Math.floor((from + MiB - 1) / (4 * MiB));
      at += 1
    ) {
      objects.add(at);
    }
    expect(await allocatedBytes(server, vdi)).toBe(objects.size * 4 * MiB);
  }
  // Each object whole, through the kernel: what was written is in it, and nothing but that.
  for (const object of objects) {
    const start = object * 4 * MiB;
    const expected = Buffer.alloc(4 * MiB);
    for (const [index, from] of places.entries()) {
      const bytes = pattern(MiB, 1 + index);
      const [low, high] = [Math.max(from, start), Math.min(from + MiB, start + 4 * MiB)];
      if (low < high) bytes.copy(expected, low - start, low - from, high - from);
    }
    const found = readAt(server.file("volume", vdi), start, 4 * MiB);
    expect([object, found.equals(expected)]).toEqual([object, true]);
  }
  const suffix = await fetch(server.at("volume", vdi), { headers: { Range: "bytes=-16" } });
  expect(suffix.headers.get("content-range")).toBe(`bytes ${tera - 16}-${tera - 1}/${tera}`);
}, 90_000);
