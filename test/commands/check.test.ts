import { expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withCluster } from "../../src/app/verbs/cluster.ts";
import { namedVdi } from "../../src/app/verbs/named.ts";
import { parseAddress } from "../../src/base/address.ts";
import { writeInodePart } from "../../src/cluster/inode.ts";
import { BtreeHeader, BtreeLeafEntry, BtreeRootEntry, btreeMagic } from "../../src/wire/btree.ts";
import { objectRequest } from "../../src/wire/header.ts";
import { InodeHeaderStruct, slotsAt } from "../../src/wire/inode.ts";
import { type ObjectKind, writeOid } from "../../src/wire/oid.ts";
import { OtherClient } from "../mount/other-client.ts";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { must, run, sheepfsBinary } from "../support/process.ts";

async function sheepfs(cluster: EmbeddedSheep, line: string, stdin = "") {
  return await run([await sheepfsBinary(), ...line.split(" "), "-s", cluster.address], { stdin });
}

async function written(cluster: EmbeddedSheep, name: string): Promise<void> {
  await must([
    await sheepfsBinary(),
    "vdi",
    "create",
    name,
    "--size",
    "16M",
    "-s",
    cluster.address,
  ]);
  for (const offset of ["0", "5M", "9M"]) {
    const { exitCode } = await sheepfs(cluster, `write volume/${name} --offset ${offset}`, "bytes");
    expect(exitCode).toBe(0);
  }
}

/** Takes the file of an object away from under the sheep. */
function lose(cluster: EmbeddedSheep, file: string): void {
  const files = readdirSync(cluster.dir, { recursive: true, encoding: "utf8" });
  const found = files.filter((path) => path.includes("objects/") && path.endsWith(`/${file}`));
  expect(found.length).toBe(1);
  rmSync(join(cluster.dir, found[0] ?? ""));
}

type Objects = readonly { readonly kind: ObjectKind; readonly index: number }[];

/** Makes objects of a VDI as other clients do, and what its inode says of them. */
async function make(
  cluster: EmbeddedSheep,
  name: string,
  objects: Objects,
  inode: (vid: number) => { readonly offset: number; readonly data: Uint8Array },
): Promise<void> {
  await withCluster([parseAddress(cluster.address)], async (caller, scope) => {
    const { header } = await namedVdi(caller, name, scope);
    const { vid } = header;
    for (const { kind, index } of objects) {
      const data = kind === "index" ? leafOf(index, vid) : new Uint8Array(4096).fill(1);
      const order = objectRequest("createAndWriteObject", { kind, vid, index }, { data });
      await caller.call(order, scope);
    }
    await writeInodePart(caller, header, inode(vid), scope);
  });
}

/** An index node that names one block. */
function leafOf(index: number, vid: number): Uint8Array {
  const head = BtreeHeader.encode({ magic: btreeMagic, depth: 1, entries: 1 });
  return new Uint8Array(Buffer.concat([head, BtreeLeafEntry.encode({ index, vid })]));
}

/** The root over such nodes. */
function rootOf(indexes: readonly number[], vid: number): Uint8Array {
  const entries = indexes.map((index) => {
    const entry = BtreeRootEntry.encode({ highestIndex: index });
    writeOid(new DataView(entry.buffer), BtreeRootEntry.offsets.oidLow, "index", vid, index);
    return entry;
  });
  const head = BtreeHeader.encode({ magic: btreeMagic, depth: 2, entries: indexes.length });
  return new Uint8Array(Buffer.concat([head, ...entries]));
}

// [S-152]
test("a VDI whose copies are all there is sound", async () => {
  await using cluster = await startSheepProcess();
  await written(cluster, "a");
  const sound = await sheepfs(cluster, "vdi check a");
  const stdout = "kind   objects  damaged\ninode  1        0\ndata   3        0\n";
  expect(sound).toEqual({ stdout, stderr: "", exitCode: 0 });
  const json = await sheepfs(cluster, "vdi check a --json");
  expect(JSON.parse(json.stdout)).toMatchObject({
    ...{ name: "a", objects: 4, damagedObjects: 0, notes: [], damages: [] },
    kinds: { inode: { objects: 1 }, data: { objects: 3 }, ledger: { objects: 0 } },
  });
  expect((await sheepfs(cluster, "vdi check none")).exitCode).toBe(5);
});

// [S-152]
test("an object that is nowhere is named, with its block, and so it is of a snapshot that shares it", async () => {
  await using cluster = await startSheepProcess();
  await written(cluster, "a");
  await must([
    ...[await sheepfsBinary(), "vdi", "snapshot", "a"],
    "-t",
    "t",
    "-s",
    cluster.address,
  ]);
  await cluster.stop("SIGTERM");
  lose(cluster, "d00000001");
  await cluster.start();
  for (const [name, title] of [
    ["a", "a"],
    ["a@t", "a@t"],
  ]) {
    const { stdout, stderr, exitCode } = await sheepfs(cluster, `vdi check ${name} --json`);
    expect([exitCode, stderr]).toEqual([6, `sheepfs: '${title}': 1 of 4 objects are damaged\n`]);
    const { damages } = JSON.parse(stdout) as {
      damages: readonly { block: number; what: string }[];
    };
    expect(damages.map(({ block, what }) => `${block} ${what}`)).toContain("1 lost");
  }
  const { stdout } = await sheepfs(cluster, "vdi check a");
  expect(stdout).toMatch(/^object +oid +damage +node +what is wrong\ndata 1 +[0-9a-f]{16} +lost/);
  expect(stdout).toMatch(/\n\nkind +objects +damaged\ninode +1 +0\ndata +3 +1\n$/);
});

// [S-128]
test("what counts references is looked at as soon as there is some of it", async () => {
  await using cluster = await startSheepProcess();
  await written(cluster, "a");
  await must([
    ...[await sheepfsBinary(), "vdi", "snapshot", "a", "-t", "t"],
    ...["-s", cluster.address],
  ]);
  expect((await sheepfs(cluster, "write volume/a --offset 5M", "other")).exitCode).toBe(0);
  const { stdout, exitCode } = await sheepfs(cluster, "vdi check a@t");
  expect(stdout).toBe(
    "kind    objects  damaged\ninode   1        0\ndata    3        0\nledger  1        0\n",
  );
  expect(exitCode).toBe(0);
  const all = await sheepfs(cluster, "cluster check --json");
  expect(JSON.parse(all.stdout)).toMatchObject({
    ...{ healthy: true, objects: 7, notes: [] },
    kinds: { inode: { objects: 2 }, data: { objects: 4 }, ledger: { objects: 1 } },
  });
});

// [S-128]
test("VM state and nodes of a hypervolume's index are looked at, and named when they are nowhere", async () => {
  await using cluster = await startSheepProcess();
  await written(cluster, "a");
  await using other = await OtherClient.connect(cluster.address);
  await other.create("h", 2 ** 40, "hyper");
  const parts = [0, 1, 2].map((index) => ({ kind: "vmstate", index }) as const);
  await make(cluster, "a", parts, () => {
    const data = new Uint8Array(new BigUint64Array([BigInt(9 * 2 ** 20)]).buffer);
    return { offset: InodeHeaderStruct.offsets.vmStateSize, data };
  });
  const nodes = [0, 1].flatMap((index) => [
    { kind: "data", index } as const,
    { kind: "index", index } as const,
  ]);
  await make(cluster, "h", nodes, (vid) => ({ offset: slotsAt, data: rootOf([0, 1], vid) }));
  const counts = async (name: string) => {
    const { stdout, exitCode } = await sheepfs(cluster, `vdi check ${name}`);
    return [exitCode, stdout.slice(stdout.indexOf("kind ")).replaceAll(/ +/g, " ").split("\n")];
  };
  const line = (code: number, ...rows: string[]) => [code, ["kind objects damaged", ...rows, ""]];
  expect(await counts("a")).toEqual(line(0, "inode 1 0", "data 3 0", "vmstate 3 0"));
  expect(await counts("h")).toEqual(line(0, "inode 1 0", "data 2 0", "index 2 0"));
  await cluster.stop("SIGTERM");
  lose(cluster, "v00000001");
  lose(cluster, "i00000001");
  await cluster.start();
  expect(await counts("a")).toEqual(line(6, "inode 1 0", "data 3 0", "vmstate 3 1"));
  // What the node names is not known any more.
  expect(await counts("h")).toEqual(line(6, "inode 1 0", "data 1 0", "index 2 1"));
  const { stdout } = await sheepfs(cluster, "vdi check h");
  expect(stdout).toMatch(/\nindex +1[0-9a-f]{7}00000001 +lost +- /);
}, 60_000);
