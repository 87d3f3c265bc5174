// The mount's part: how near it comes to what the same sheep can give, and how it stands to its
// peers.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseAddress } from "../../src/base/address.ts";
import { installPackages, needs } from "../../tools/packages.ts";
import { OtherClient } from "../mount/other-client.ts";
import { startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { mountSheepfs, type TestMount } from "../support/mount.ts";
import { rssMiB } from "../support/proc.ts";
import { run, sheepfs, TemporaryFolder } from "../support/process.ts";
import { type BareTarget, bareMeasure } from "./bare.ts";
import { fillFile, type Load, loads, measureFile } from "./load.ts";
import { memoryFolder } from "./machine.ts";
import { startNullSheep } from "./null-sheep.ts";
import { startNbdfuse, startOriginal, startQemuExport } from "./peers.ts";
import { measureAll, type Subject } from "./rounds.ts";
import { comparisonTable, type Figures, median } from "./table.ts";

const MiB = 1 << 20;
const spanBytes = 256 * MiB;
const vdisListed = 1_000;

/** A wait is disturbed by whatever else runs, so what has one at a time is measured more often. */
const rounds = (load: Load): number => (load.depth === 1 ? 4 : 3);
const seconds = (load: Load): number => (load.depth === 1 ? 0.5 : 0.6);

/** A sheep, ours on it, and the bare client on it. */
interface Stand {
  readonly ours: Subject;
  readonly bare: Subject;
  readonly mount: TestMount;
  readonly target: BareTarget;
}

/** Prints the tables. Peers that are not installed are left out, and said to be. */
export async function measureMount(): Promise<void> {
  await installPackages(needs.bench);
  await using stack = new AsyncDisposableStack();
  const sheep = stack.use(await startSheepProcess({ parent: memoryFolder }));
  const embedded = await stand(stack, "embedded sheep", sheep, await newVdi(sheep));
  const nulls = await nullStand(stack, sheep);
  const real = await realStand(stack);
  const peers = await startPeers(stack);
  const stands = real === null ? [nulls, embedded] : [nulls, embedded, real.stand];
  const gathering: Subject = {
    title: "gathering bare client, null sheep",
    measure: bareMeasure(nulls.target, { seconds, gathers: true }),
  };
  const subjects = [
    gathering,
    ...stands.flatMap(({ ours, bare }) => [ours, bare]),
    ...peers,
    ...(real?.original === undefined ? [] : [real.original]),
  ];
  const figures = await measureAll(subjects, { loads, rounds });
  const of = (subject: Subject): Figures => figures.get(subject) ?? new Map();
  for (const { ours, bare } of stands) {
    const bar = limitBar(ours === nulls.ours ? 0.6 : ours === embedded.ours ? null : 0.85);
    print({ name: ours.title, title: bare.title, ours: of(ours), other: of(bare), bar });
  }
  print({
    ...{ name: nulls.ours.title, title: gathering.title, ours: of(nulls.ours) },
    ...{ other: of(gathering), bar: () => null },
  });
  for (const peer of peers) {
    // Both answer from memory; the embedded sheep is measured beside them for what it is.
    const { title } = peer;
    print({ name: nulls.ours.title, title, ours: of(nulls.ours), other: of(peer), bar: () => 1 });
    const { title: name } = embedded.ours;
    print({ name, title, ours: of(embedded.ours), other: of(peer), bar: () => null });
  }
  if (real?.original !== undefined) {
    const bar = (load: Load): number => (load.bytes > 4096 && load.direction === "read" ? 4 : 1);
    const [ours, other] = [of(real.stand.ours), of(real.original)];
    print({ name: real.stand.ours.title, title: real.original.title, ours, other, bar });
  }
  for (const { ours, mount } of stands) {
    console.log(
      `resident memory at most, ${ours.title}: ${rssMiB(mount.serverPid).peak} MiB (wanted: 200)`,
    );
  }
  console.log(`mount usable after ${await mountMs(sheep)} ms (wanted: 150)`);
  await printListing();
}

function print(comparison: Parameters<typeof comparisonTable>[0]): void {
  console.log(`${comparisonTable(comparison, loads)}\n`);
}

function limitBar(small: number | null): (load: Load) => number | null {
  return (load) => (load.bytes > 4096 ? 0.8 : load.depth === 16 ? small : null);
}

async function newVdi(cluster: TestCluster): Promise<string> {
  return await cluster.createVdi("bench", { size: String(spanBytes), objectSize: "4M" });
}

/** Ours and the bare client on a sheep; the VDI is written once. */
async function stand(
  stack: AsyncDisposableStack,
  title: string,
  cluster: TestCluster,
  vdi: string,
): Promise<Stand> {
  const mount = stack.use(await mountSheepfs(cluster, { args: ["--attach", vdi] }));
  const path = mount.file("volume", vdi);
  await fillFile(path, spanBytes);
  await using other = await OtherClient.connect(cluster.address);
  const { vid, objectBytes } = await other.find(vdi);
  const { host, port } = parseAddress(cluster.address);
  const target = { host, port, vid, objectBytes, spanBytes };
  return {
    mount,
    target,
    ours: {
      title: `sheepfs, ${title}`,
      measure: (load) => measureFile(path, load, { spanBytes, seconds: seconds(load) }),
    },
    bare: {
      title: `bare client, ${title}`,
      measure: bareMeasure(target, { seconds, gathers: false }),
    },
  };
}

async function nullStand(stack: AsyncDisposableStack, sheep: TestCluster): Promise<Stand> {
  const vdi = await newVdi(sheep);
  // Through the real sheep first: what the null sheep swallows is never there.
  await using first = await mountSheepfs(sheep, { args: ["--attach", vdi] });
  await fillFile(first.file("volume", vdi), spanBytes);
  await first.stop();
  return await stand(stack, "null sheep", await startNullSheep(stack, sheep), vdi);
}

async function realStand(
  stack: AsyncDisposableStack,
): Promise<{ readonly stand: Stand; readonly original: Subject | undefined } | null> {
  const address = process.env["SHEEPFS_BENCH_SHEEP"];
  if (address === undefined) return null;
  const vdi = `sheepfs-bench-${process.pid}`;
  const size = ["--size", String(spanBytes), "--object-size", "4M"];
  await sheepfs(["vdi", "create", vdi, ...size, "-s", address]);
  const cluster: TestCluster = {
    address,
    embedded: false,
    createVdi: async () => vdi,
    [Symbol.asyncDispose]: async () => {
      await sheepfs(["vdi", "delete", vdi, "-s", address, "--yes"]);
    },
  };
  stack.use(cluster);
  const real = await stand(stack, "real sheep", cluster, vdi);
  const program = process.env["SHEEPFS_BENCH_CSHEEPFS"];
  if (program === undefined) return { stand: real, original: undefined };
  const { host, port } = real.target;
  const original = stack.use(await startOriginal(program, { host, port, vdi }));
  return { stand: real, original: fileSubject("original sheepfs, real sheep", original.path) };
}

async function startPeers(stack: AsyncDisposableStack): Promise<Subject[]> {
  const peers = [
    ["nbdfuse, nbdkit memory", await startNbdfuse(spanBytes)],
    ["qemu-storage-daemon FUSE export", await startQemuExport(spanBytes)],
  ] as const;
  const subjects: Subject[] = [];
  for (const [title, peer] of peers) {
    if (peer === null) {
      console.log(`${title}: not installed here`);
      continue;
    }
    stack.use(peer);
    await fillFile(peer.path, spanBytes);
    subjects.push(fileSubject(title, peer.path));
  }
  return subjects;
}

function fileSubject(title: string, path: string): Subject {
  return {
    title,
    measure: (load) => measureFile(path, load, { spanBytes, seconds: seconds(load) }),
  };
}

async function mountMs(cluster: TestCluster): Promise<number> {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "mnt");
  mkdirSync(path);
  const times: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const startedMs = performance.now();
    const { exitCode, stderr } = await sheepfs(["mount", path, "-s", cluster.address]);
    times.push(performance.now() - startedMs);
    if (exitCode !== 0) throw new Error(stderr);
    await sheepfs(["umount", path]);
  }
  return Math.round(median(times));
}

async function printListing(): Promise<void> {
  await using sheep = await startSheepProcess({ parent: memoryFolder });
  {
    await using other = await OtherClient.connect(sheep.address);
    for (let count = 0; count < vdisListed; count += 1) {
      await other.create(`listed${String(count).padStart(4, "0")}`, 64 * MiB);
    }
  }
  await using mount = await mountSheepfs(sheep);
  const list = mount.file("vdi", "list");
  const first = await timedCat(list);
  // The text is kept for a second.
  await Bun.sleep(1_100);
  const second = await timedCat(list);
  console.log(
    `cat vdi/list with ${vdisListed} VDIs: ${first} ms, again ${second} ms (wanted: 1000)`,
  );
}

async function timedCat(path: string): Promise<number> {
  const startedMs = performance.now();
  const { stdout, exitCode } = await run(["cat", path]);
  const lines = stdout.trimEnd().split("\n").length;
  if (exitCode !== 0 || lines !== vdisListed + 1) throw new Error(`${lines} lines in vdi/list`);
  return Math.round(performance.now() - startedMs);
}
