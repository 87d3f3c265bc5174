// The part of exports: how near reading a whole VDI comes to what the same sheep can give, and that
// holes cost nothing.
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseAddress } from "../../src/base/address.ts";
import { assert } from "../../src/base/assert.ts";
import { OtherClient } from "../mount/other-client.ts";
import { startSheepProcess } from "../support/cluster.ts";
import { must, sheepfsBinary, TemporaryFolder } from "../support/process.ts";
import { WiredNamespace } from "../support/wires.ts";
import { bareMeasure } from "./bare.ts";
import type { Load } from "./load.ts";
import { memoryFolder } from "./machine.ts";
import { markdown, median } from "./table.ts";

const MiB = 1 << 20;
const objectBytes = 4 * MiB;
const dataBytes = 2048 * MiB;
const deadlineMs = 600_000;
const linkBitsPerSecond = 6e9;
const port = 7000;
const rounds = 5;
const wanted = 0.8;
const load: Load = {
  name: "1 MiB sequential read",
  direction: "read",
  random: false,
  ...{ bytes: MiB, depth: 8 },
};

/** Prints a table for an embedded sheep, for one behind a link, and for the one that `SHEEPFS_BENCH_SHEEP` names. */
export async function measureExport(): Promise<void> {
  {
    await using sheep = await startSheepProcess({ parent: memoryFolder });
    await measureOn("embedded sheep", sheep.address);
  }
  await measureOverLink();
  const real = process.env["SHEEPFS_BENCH_SHEEP"];
  if (real !== undefined) await measureOn("real sheep", real);
}

/** Where a cluster is elsewhere its network is the limit, and its processors are not ours. */
async function measureOverLink(): Promise<void> {
  await using namespace = await WiredNamespace.make(1);
  const { wrap } = namespace;
  const [wire] = namespace.wires;
  assert(wire !== undefined, "one was asked for");
  await namespace.limit(wire, linkBitsPerSecond);
  const listen = `0.0.0.0:${port}`;
  await using _ = await startSheepProcess({ parent: memoryFolder, listen, wrap });
  const title = `embedded sheep behind a link of ${linkBitsPerSecond / 1e9} Gbit/s`;
  await measureOn(title, `${wire.there}:${port}`);
}

async function measureOn(title: string, address: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(new TemporaryFolder(memoryFolder));
  const image = join(folder.path, "image");
  const dense = await filled(stack, { label: "dense", sizeBytes: dataBytes }, image, address);
  const sparse = await filled(stack, { label: "sparse", sizeBytes: 2 ** 40 }, image, address);
  // A bare client stores nothing either; the others show what storing costs.
  const subjects = [
    ["2 GiB, to nothing", dense, "- > /dev/null"],
    ["2 GiB, to a file in memory", dense, `'${image}'`],
    ["2 GiB, to a pipe", dense, "- | cat > /dev/null"],
    ["2 GiB of data in 1 TiB, to a file in memory", sparse, `'${image}'`],
  ] as const;
  const bare = await bareClient(address, dense);
  const limits: number[] = [];
  const rates = subjects.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    limits.push(await bare(load));
    for (const [at, [, vdi, to]] of subjects.entries()) {
      const seconds = await secondsOf(`vdi export ${vdi} ${to}`, address);
      rates[at]?.push(dataBytes / MiB / seconds);
      rmSync(image, { force: true });
    }
  }
  const limit = median(limits);
  const rows = subjects.map(([what], at) => {
    const rate = median(rates[at] ?? []);
    const figures = [rate, limit].map((one) => `${Math.round(one)} MiB/s`);
    return [what, ...figures, (rate / limit).toFixed(2), String(wanted)];
  });
  const heads = ["", `sheepfs vdi export, ${title}`, "bare client", "ratio", "wanted"];
  console.log(`${markdown(heads, rows)}\n`);
}

/** The whole command, from its start to its end. */
async function secondsOf(line: string, address: string): Promise<number> {
  const [command = "", ...rest] = line.split(" | ");
  const whole = [`'${await sheepfsBinary()}' ${command} -s ${address}`, ...rest].join(" | ");
  const startedMs = performance.now();
  await must(["sh", "-c", whole], { deadlineMs });
  return (performance.now() - startedMs) / 1000;
}

/** A VDI that has `dataBytes` of data spread evenly over it; deleted with the stack. */
async function filled(
  stack: AsyncDisposableStack,
  { label, sizeBytes }: { readonly label: string; readonly sizeBytes: number },
  image: string,
  address: string,
): Promise<string> {
  const vdi = `sheepfs-bench-${process.pid}-${label}`;
  const binary = await sheepfsBinary();
  const fd = openSync(image, "w");
  ftruncateSync(fd, sizeBytes);
  const objects = dataBytes / objectBytes;
  const bytes = new Uint8Array(objectBytes);
  for (let index = 0; index < objects; index += 1) {
    for (let at = 0; at < bytes.length; at += 65_536) {
      crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    }
    writeSync(fd, bytes, 0, objectBytes, (sizeBytes / objects) * index);
  }
  closeSync(fd);
  const size = ["--object-size", String(objectBytes)];
  await must([binary, "vdi", "import", image, vdi, ...size, "-s", address], { deadlineMs });
  rmSync(image);
  stack.defer(async () => {
    await must([binary, "vdi", "delete", vdi, "--yes", "-s", address]);
  });
  return vdi;
}

async function bareClient(address: string, vdi: string): Promise<(load: Load) => Promise<number>> {
  await using other = await OtherClient.connect(address);
  const { vid } = await other.find(vdi);
  const { host, port } = parseAddress(address);
  const target = { host, port, vid, objectBytes, spanBytes: dataBytes };
  return bareMeasure(target, { seconds: () => 1, gathers: false });
}
