import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { applyIncrement } from "../../src/app/backup/import-increment.ts";
import { IncrementPart } from "../../src/app/backup/increment-format.ts";
import { parseAddress } from "../../src/base/address.ts";
import type { Progress } from "../../src/base/progress.ts";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise } from "./images.ts";

const MiB = 2 ** 20;

/** In the order in which an increment is read: all of it, then where it writes, then to write it. */
type Reading = "checked" | "compared" | "applied";

/** Applies it, and calls `before` once when that reading begins. */
async function apply(
  cluster: EmbeddedSheep,
  { path, resume }: { readonly path: string; readonly resume: boolean },
  before: { readonly reading: Reading; readonly fn: () => void } | null,
) {
  let seen: Reading | null = null;
  const readings: Record<number, Reading> = {
    [statSync(path).size]: "checked",
    [64 * MiB]: "applied",
  };
  const progress = ({ totalBytes }: Progress): void => {
    const reading = readings[totalBytes] ?? "compared";
    if (reading !== seen && reading === before?.reading) before.fn();
    seen = reading;
  };
  const gateways = [parseAddress(cluster.address)];
  const wish = { gateways, name: "b", path, tag: null, verify: false, resume, progress };
  return await applyIncrement({ ...wish, input: () => new Blob([]).stream() });
}

const partBytes = MiB + IncrementPart.size;

const changes: readonly (readonly [string, Reading, (file: Buffer) => Buffer])[] = [
  ["a byte of data", "applied", (file) => flipped(file, file.length - 2 * MiB)],
  // The last 8 bytes of an offset: it would go elsewhere.
  ["a place", "applied", (file) => flipped(file, endOfParts(file) - 3 * partBytes + 10)],
  ["its length", "applied", (file) => file.subarray(0, file.length - 3 * MiB)],
  ["a checksum", "compared", (file) => flipped(file, endOfParts(file) - partBytes + 24)],
];

function flipped(file: Buffer, at: number): Buffer {
  const changed = Buffer.from(file);
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
}

/** Where its end begins, which is JSON behind a header. */
function endOfParts(file: Buffer): number {
  return file.lastIndexOf('{"parts"') - IncrementPart.size;
}

test("[S-114] what changes in an increment after it was checked is not written", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "inc");
  const digestOf = async (name: string): Promise<string> =>
    (await json(cluster, "vdi", "export", name, join(folder.path, crypto.randomUUID()))).digest;
  await must(cluster, "vdi", "create", "a", "--size", "64M");
  await fill(cluster, "a", [[0, noise(MiB)]]);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await fill(cluster, "a", [[4 * MiB, noise(20 * MiB)]]);
  await must(cluster, "vdi", "export", "a", path, "--since", "one");
  const [whole, state, base] = [readFileSync(path), await digestOf("a"), await digestOf("a@one")];
  for (const [what, reading, change] of changes) {
    await must(cluster, "vdi", "clone", "a@one", "b");
    writeFileSync(path, whole);
    const fn = (): void => writeFileSync(path, change(whole));
    const failed = apply(cluster, { path, resume: false }, { reading, fn });
    const text = reading === "applied" ? "apply it again with '--resume'" : "when it was checked";
    await expect(failed, what).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining(text),
    });
    if (reading === "compared") expect([what, await digestOf("b")]).toEqual([what, base]);
    // Of what is there now nothing can be from the file as it is.
    await expect(apply(cluster, { path, resume: true }, null)).rejects.toMatchObject({
      code: "corrupt",
    });
    writeFileSync(path, whole);
    if (reading === "applied") await apply(cluster, { path, resume: true }, null);
    if (reading === "applied") expect([what, await digestOf("b")]).toEqual([what, state]);
    await must(cluster, "vdi", "delete", "b", "--yes");
  }
}, 120_000);
